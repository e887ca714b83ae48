-- The members' own addresses that suspicious activity was aimed at, busiest first.
-- returns: member, dst_ip, total, allowed, blocked, detected, sources, ports, first, last_seen
select
    member,
    dst_ip,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    uniqExact(src_ip) as sources,
    uniqExactIf((dst_port, protocol), dst_port is not null) as ports,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and dst_ip != toIPv6('::')
group by member, dst_ip
order by total desc, member, dst_ip
limit {limit:UInt32}
