-- How many connections `let_in` counts over all addresses and ports. Period: [start, end).
-- returns: total
select sum(count) as total
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and action = 'allowed' and direction = 'inbound' and sensor in ('firewall', 'ids')
    and has({risky:Array(UInt16)}, ifNull(dst_port, 0))
