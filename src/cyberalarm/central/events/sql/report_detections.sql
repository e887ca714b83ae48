-- What intrusion detection (or a firewall with it) named, in any direction. Period: [start, end).
-- returns: signature_id, signature, category, top_severity, cves, blocked, allowed, detected, unknown, tries, sources, first, last_seen, members
select
    signature_id,
    signature,
    category,
    max(severity) as top_severity,
    arraySort(groupUniqArrayArray(cve)) as cves,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    sum(count) as tries,
    uniqExact(src_ip) as sources,
    min(time) as first,
    max(last) as last_seen,
    uniqExact(member) as members
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and sensor in ('firewall', 'ids') and (signature_id != '' or signature != '')
group by signature_id, signature, category
order by top_severity desc, tries desc, signature_id, signature, category
limit {most:UInt32}
