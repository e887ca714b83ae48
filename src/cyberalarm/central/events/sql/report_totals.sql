-- A period in one row for a report: events by action, how many sources, targets, ports and members, and events that were let
-- in from outside on risky ports. Sources are outside addresses of inbound events. Period: [start, end).
-- returns: blocked, allowed, detected, unknown, sources, targets, ports, members, let_in
select
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources,
    uniqExactIf(dst_ip, direction in ('inbound', 'unknown') and dst_ip != toIPv6('::') and sensor in ('firewall', 'ids')) as targets,
    uniqExactIf((dst_port, protocol), direction in ('inbound', 'unknown') and dst_port is not null and sensor in ('firewall', 'ids')) as ports,
    uniqExact(member) as members,
    sumIf(count, action = 'allowed' and direction = 'inbound' and sensor in ('firewall', 'ids') and has({risky:Array(UInt16)}, ifNull(dst_port, 0))) as let_in
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
