-- Over what time the rows stored since a moment happened, member by member: those of `recent` or later together, older ones month by
-- month (0: recent). `newest` is when the last of them was stored.
-- returns: member, month, first, latest, newest
select
    member,
    if(time >= {recent:DateTime64(3, 'UTC')}, 0, toYYYYMM(time)) as month,
    min(time) as first,
    max(time) as latest,
    max(stored) as newest
from events where {scope} and stored >= {since:DateTime64(3, 'UTC')}
group by member, month
order by member, month
