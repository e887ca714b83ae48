-- One row per day (of UK time) that saw anything: events by action, and at how many members. Period: [start, end).
-- returns: day, total, allowed, blocked, detected, unknown, members
select
    toDate(time, 'Europe/London') as day,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExact(member) as members
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by day
order by day
