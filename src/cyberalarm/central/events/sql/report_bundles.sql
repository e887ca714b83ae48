-- Which bundles the events of a period came in, so that their ledgers can be added up. Period: [start, end).
-- returns: collector, sequence
select collector, sequence
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by collector, sequence
order by collector, sequence
