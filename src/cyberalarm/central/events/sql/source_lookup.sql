-- One address over all members in scope: how much per day (of UK time) and force, and at how many members.
-- returns: day, region, force, total, allowed, blocked, detected, members, ports
select
    toDate(time, 'Europe/London') as day,
    region,
    force,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    uniqExact(member) as members,
    arraySlice(arraySort(groupUniqArray(assumeNotNull(dst_port))), 1, 50) as ports
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and src_ip = {source:IPv6}
group by day, region, force
order by day, region, force
