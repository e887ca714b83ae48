select
    signature_id,
    signature,
    category,
    max(severest) as top_severity,
    arraySort(groupUniqArrayArray(cve)) as cves,
    sum(lines) as total,
    sum(n_allowed) as allowed,
    sum(n_blocked) as blocked,
    sum(n_detected) as detected,
    sum(n_unknown) as unknown,
    uniqExactArray(origins) as sources,
    uniqExact(member) as members,
    min(earliest) as first,
    max(latest) as last_seen
from
(
    select
        signature_id, signature, category, member, severity as severest, cve, sources as origins,
        first as earliest, last_seen as latest, allowed as n_allowed, blocked as n_blocked, detected as n_detected, unknown as n_unknown, allowed + blocked + detected + unknown as lines
    from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and sensor in ('firewall', 'ids') and (signature_id != '' or signature != '')
)
group by signature_id, signature, category
order by top_severity desc, total desc, signature_id, signature, category
limit {limit:UInt32}
