select
    cve_id,
    sum(lines) as total,
    count() as members,
    arraySum(x -> least(x, 10 * usual), groupArray(lines)) as capped,
    quantileExactLow(0.5)(lines) as usual
from
(
    select arrayJoin(cve) as cve_id, member, sum(allowed + blocked + detected + unknown) as lines
    from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London') and notEmpty(cve)
    group by cve_id, member
)
group by cve_id
having members >= {least_members:UInt32}
order by members desc, capped desc, cve_id
limit {limit:UInt32}
