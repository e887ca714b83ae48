-- Suspicious activity per day (of UK time), by what kind of device spoke and what it did. Period: [start, end).
-- returns: day, sensor, action, total
select toDate(time, 'Europe/London') as day, sensor, action, sum(count) as total
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by day, sensor, action
order by day, sensor, action
