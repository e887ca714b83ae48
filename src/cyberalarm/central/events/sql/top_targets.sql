-- The members' own addresses that were tried from outside, busiest first. Period: [start, end).
-- returns: dst_ip, total, allowed, blocked, detected, unknown, sources, ports
select
    dst_ip,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources,
    uniqExactIf((dst_port, protocol), dst_port is not null) as ports
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids') and dst_ip != toIPv6('::')
group by dst_ip
order by total desc, dst_ip
limit {limit:UInt32}
