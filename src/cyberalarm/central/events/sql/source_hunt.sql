-- Which of a list of addresses were seen as a source, at how many members and on how many days (of UK time): the retro-hunt for the
-- indicators of a flaw that became known later. Period: [start, end).
-- returns: src_ip, members, forces, days, total, first, last_seen
select
    src_ip,
    uniqExact(member) as members,
    uniqExact(force) as forces,
    uniqExact(toDate(time, 'Europe/London')) as days,
    sum(count) as total,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and src_ip in {sources:Array(IPv6)}
group by src_ip
order by src_ip
