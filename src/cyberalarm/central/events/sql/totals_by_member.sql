-- Events per member by action, from how many sources, and when the last was seen: a week's summary of everybody. Period: [start, end).
-- returns: member, total, allowed, blocked, detected, unknown, sources, last_seen
select
    member,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by member
order by member
