-- Events by kind of traffic: what kind of device spoke, and the category of the event schema. Period: [start, end).
-- returns: sensor, category, total, allowed, blocked, detected, unknown, sources
select
    sensor,
    category,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by sensor, category
order by total desc, sensor, category
