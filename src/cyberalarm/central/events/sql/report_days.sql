-- Events per day (of UK time) by action, and how many members each day's events come from. Period: [start, end).
-- returns: day, blocked, allowed, detected, unknown, members
select
    toDate(time, 'Europe/London') as day,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExact(member) as members
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by day
order by day
