-- The ports that were tried from outside, busiest first.
-- returns: dst_port, protocol, total, allowed, blocked, detected, sources, members
select
    dst_port,
    protocol,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    uniqExact(src_ip) as sources,
    uniqExact(member) as members
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and dst_port is not null
group by dst_port, protocol
order by total desc, dst_port, protocol
limit {limit:UInt32}
