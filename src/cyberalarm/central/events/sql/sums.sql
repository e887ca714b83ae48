-- One row of sums over a period [start, end), to set beside the same sums of the period before. What a source, a target and a
-- port are, docs/event-store.md says for all queries.
-- returns: total, allowed, blocked, detected, unknown, sources, targets, ports, members, first, last_seen
select
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources,
    uniqExactIf(dst_ip, direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids') and dst_ip != toIPv6('::')) as targets,
    uniqExactIf((dst_port, protocol), direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids') and dst_port is not null) as ports,
    uniqExact(member) as members,
    if(count() = 0, null, min(time)) as first,
    if(count() = 0, null, max(last)) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
