-- The names that antivirus and antispam gave, most often first. Period: [start, end).
-- returns: sensor, threat, total, blocked, members, first, last_seen
select
    sensor,
    threat,
    sum(count) as total,
    sumIf(count, action = 'blocked') as blocked,
    uniqExact(member) as members,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and sensor in ('antivirus', 'antispam') and threat != ''
group by sensor, threat
order by total desc, sensor, threat
limit {limit:UInt32}
