-- What intrusion detection (or a firewall with it) named, in any direction, the most severe first. Period: [start, end).
-- returns: signature_id, signature, category, top_severity, cves, total, allowed, blocked, detected, unknown, sources, members, first, last_seen
select
    signature_id,
    signature,
    category,
    max(severity) as top_severity,
    arraySort(groupUniqArrayArray(cve)) as cves,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources,
    uniqExact(member) as members,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and sensor in ('firewall', 'ids') and (signature_id != '' or signature != '')
group by signature_id, signature, category
order by top_severity desc, total desc, signature_id, signature, category
limit {limit:UInt32}
