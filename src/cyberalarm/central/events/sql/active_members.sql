-- Which members have events in a period. Period: [start, end).
-- returns: member
select member
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by member
order by member
