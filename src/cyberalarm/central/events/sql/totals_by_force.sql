-- Suspicious activity per force: how much, at how many members, from how many sources.
-- returns: region, force, total, allowed, blocked, detected, members, sources
select
    region,
    force,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    uniqExact(member) as members,
    uniqExactIf(src_ip, direction != 'outbound' and src_ip != toIPv6('::')) as sources
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by region, force
order by region, force
