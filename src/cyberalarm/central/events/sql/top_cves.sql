-- The CVE numbers that devices named, most often first. Period: [start, end).
-- returns: cve_id, total, sources, members, first, last_seen
select
    arrayJoin(cve) as cve_id,
    sum(count) as total,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources,
    uniqExact(member) as members,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')} and notEmpty(cve)
group by cve_id
order by total desc, cve_id
limit {limit:UInt32}
