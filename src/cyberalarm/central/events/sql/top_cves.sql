-- The CVE numbers that detections named, most often first.
-- returns: cve_id, total, sources, members, first, last_seen
select
    arrayJoin(cve) as cve_id,
    sum(count) as total,
    uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources,
    uniqExact(member) as members,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')} and notEmpty(cve)
group by cve_id
order by total desc, cve_id
limit {limit:UInt32}
