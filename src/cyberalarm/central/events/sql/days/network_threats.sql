select
    sensor,
    threat,
    sum(lines) as total,
    count() as members,
    arraySum(x -> least(x, 10 * usual), groupArray(lines)) as capped,
    quantileExactLow(0.5)(lines) as usual
from
(
    select sensor, threat, member, sum(allowed + blocked + detected + unknown) as lines
    from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and sensor in ('antivirus', 'antispam') and threat != ''
    group by sensor, threat, member
)
group by sensor, threat
having members >= {least_members:UInt32}
order by members desc, capped desc, sensor, threat
limit {limit:UInt32}
