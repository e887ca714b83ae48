select
    day,
    region,
    force,
    sum(lines) as total,
    sum(n_allowed) as allowed,
    sum(n_blocked) as blocked,
    sum(n_detected) as detected,
    uniqExact(member) as members,
    arraySlice(arraySort(groupUniqArrayArray(ports_tried)), 1, 50) as ports
from
(
    select day, region, force, member, ports as ports_tried, allowed as n_allowed, blocked as n_blocked, detected as n_detected, unknown as n_unknown, allowed + blocked + detected + unknown as lines
    from source_index where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and src_ip = {source:IPv6}
)
group by day, region, force
order by day, region, force
