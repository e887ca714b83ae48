select
    region,
    force,
    sum(lines) as total,
    sum(n_allowed) as allowed,
    sum(n_blocked) as blocked,
    sum(n_detected) as detected,
    sum(n_unknown) as unknown,
    uniqExact(member) as members,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources
from
(
    select region, force, member, src_ip, direction, allowed as n_allowed, blocked as n_blocked, detected as n_detected, unknown as n_unknown, allowed + blocked + detected + unknown as lines
    from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
)
group by region, force
order by total desc, region, force
