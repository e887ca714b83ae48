-- One row per day (of UK time) that saw anything: how much, from how many sources, at how many members.
-- returns: day, total, allowed, blocked, detected, sources, members
select
    toDate(time, 'Europe/London') as day,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    uniqExactIf(src_ip, direction != 'outbound' and src_ip != toIPv6('::')) as sources,
    uniqExact(member) as members
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by day
order by day
