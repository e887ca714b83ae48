-- When each collector's newest event happened and when it was stored, and how many rows it has sent in all.
-- returns: member, collector, last_seen, last_stored, stored_rows
select member, collector, max(last) as last_seen, max(stored) as last_stored, count() as stored_rows
from events where {scope}
group by member, collector
order by member, collector
