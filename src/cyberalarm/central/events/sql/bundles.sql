-- Which bundles the events of a period came in, and on which of its days (of UK time) they happened. Period: [start, end).
-- returns: collector, sequence, days
select collector, sequence, arraySort(groupUniqArray(toDate(time, 'Europe/London'))) as days
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by collector, sequence
order by collector, sequence
