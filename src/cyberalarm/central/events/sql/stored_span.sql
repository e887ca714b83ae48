-- Over what time the rows stored since a moment happened; empty (nulls) when none were.
-- returns: first, last_seen, stored_rows
select if(count() = 0, null, min(time)) as first, if(count() = 0, null, max(last)) as last_seen, count() as stored_rows
from events where {scope} and stored >= {since:DateTime64(3, 'UTC')}
