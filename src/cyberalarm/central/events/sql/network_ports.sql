-- The ports tried from outside, those tried at most members first, then by events with no member counted for more than ten times
-- the middle one (capped). Ports tried at fewer members than asked for are left out. Period: [start, end).
-- returns: dst_port, protocol, total, allowed, blocked, detected, unknown, sources, members, capped
select
    dst_port,
    protocol,
    sum(lines) as total,
    sum(lines_allowed) as allowed,
    sum(lines_blocked) as blocked,
    sum(lines_detected) as detected,
    sum(lines_unknown) as unknown,
    uniqExactMerge(seen) as sources,
    count() as members,
    arraySum(x -> least(x, 10 * usual), groupArray(lines)) as capped,
    quantileExactLow(0.5)(lines) as usual
from
(
    select
        dst_port,
        protocol,
        member,
        sum(count) as lines,
        sumIf(count, action = 'allowed') as lines_allowed,
        sumIf(count, action = 'blocked') as lines_blocked,
        sumIf(count, action = 'detected') as lines_detected,
        sumIf(count, action = 'unknown') as lines_unknown,
        uniqExactStateIf(src_ip, src_ip != toIPv6('::')) as seen
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
        and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
    group by dst_port, protocol, member
)
group by dst_port, protocol
having members >= {least_members:UInt32}
order by members desc, capped desc, dst_port, protocol
limit {limit:UInt32}
