-- The addresses that suspicious activity came from, busiest first. Outbound and internal detections are left out: there
-- the source is the member's own. established counts lines where both sides spoke; where it is 0 the source may be forged.
-- returns: src_ip, total, allowed, blocked, detected, established, ports, targets, members, first, last_seen
select
    src_ip,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, evidence = 'established') as established,
    uniqExactIf((dst_port, protocol), dst_port is not null) as ports,
    uniqExact(dst_ip) as targets,
    uniqExact(member) as members,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
group by src_ip
order by total desc, src_ip
limit {limit:UInt32}
