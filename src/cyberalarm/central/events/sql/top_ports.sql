-- The ports tried from outside, busiest first; protocols without ports have none. Period: [start, end).
-- returns: dst_port, protocol, total, allowed, blocked, detected, unknown, sources, members
select
    dst_port,
    protocol,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources,
    uniqExact(member) as members
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
group by dst_port, protocol
order by total desc, dst_port, protocol
limit {limit:UInt32}
