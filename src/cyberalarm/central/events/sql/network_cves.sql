-- The CVE numbers that devices named, those seen at most members first, then by events with no member counted for more than ten times
-- the middle one (capped). Numbers seen at fewer members than asked for are left out. Period: [start, end).
-- returns: cve_id, total, members, capped
select
    cve_id,
    sum(lines) as total,
    count() as members,
    arraySum(x -> least(x, 10 * usual), groupArray(lines)) as capped,
    quantileExactLow(0.5)(lines) as usual
from
(
    select arrayJoin(cve) as cve_id, member, sum(count) as lines
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')} and notEmpty(cve)
    group by cve_id, member
)
group by cve_id
having members >= {least_members:UInt32}
order by members desc, capped desc, cve_id
limit {limit:UInt32}
