-- The names that antivirus and antispam gave, those seen at most members first, then by events with no member counted for more than
-- ten times the middle one (capped). Names seen at fewer members than asked for are left out. Period: [start, end).
-- returns: sensor, threat, total, members, capped
select
    sensor,
    threat,
    sum(lines) as total,
    count() as members,
    arraySum(x -> least(x, 10 * usual), groupArray(lines)) as capped,
    quantileExactLow(0.5)(lines) as usual
from
(
    select sensor, threat, member, sum(count) as lines
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
        and sensor in ('antivirus', 'antispam') and threat != ''
    group by sensor, threat, member
)
group by sensor, threat
having members >= {least_members:UInt32}
order by members desc, capped desc, sensor, threat
limit {limit:UInt32}
