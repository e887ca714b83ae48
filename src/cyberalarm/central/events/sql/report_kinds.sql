-- Events by kind of traffic: who spoke, and the category of the event schema. Period: [start, end).
-- returns: sensor, category, blocked, allowed, detected, unknown, tries, sources
select
    sensor,
    category,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    sum(count) as tries,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by sensor, category
order by tries desc, sensor, category
