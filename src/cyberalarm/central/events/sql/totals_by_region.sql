-- Events per region by action, at how many members, from how many sources. Period: [start, end).
-- returns: region, total, allowed, blocked, detected, unknown, members, sources
select
    region,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExact(member) as members,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by region
order by total desc, region
