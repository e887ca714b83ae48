select
    sum(lines) as total,
    sum(n_allowed) as allowed,
    sum(n_blocked) as blocked,
    sum(n_detected) as detected,
    sum(n_unknown) as unknown,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources,
    uniqExactArrayIf(arrayFilter(x -> x != toIPv6('::'), targets_seen), direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')) as targets,
    uniqExactArrayIf(arrayMap(x -> intDiv(x, 16), arrayFilter(x -> x < 268435456, tried.1)), direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')) as ports,
    uniqExact(member) as members,
    if(count() = 0, null, min(earliest)) as first,
    if(count() = 0, null, max(latest)) as last_seen
from
(
    select member, src_ip, sensor, direction, tried, targets as targets_seen, first as earliest, last_seen as latest, allowed as n_allowed, blocked as n_blocked, detected as n_detected, unknown as n_unknown, allowed + blocked + detected + unknown as lines
    from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
)
