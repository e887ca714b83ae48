-- What intrusion detection (or a firewall with it) named, in any direction, what most members saw first, then the most severe, then by
-- events with no member counted for more than ten times the middle one (capped). What fewer members saw than asked for is left out.
-- Period: [start, end).
-- returns: signature_id, signature, category, top_severity, cves, total, allowed, blocked, detected, unknown, sources, members, first, last_seen, capped
select
    signature_id,
    signature,
    category,
    max(severest) as top_severity,
    arraySort(groupUniqArrayArray(numbers)) as cves,
    sum(lines) as total,
    sum(lines_allowed) as allowed,
    sum(lines_blocked) as blocked,
    sum(lines_detected) as detected,
    sum(lines_unknown) as unknown,
    uniqExactMerge(seen) as sources,
    count() as members,
    min(earliest) as first,
    max(latest) as last_seen,
    arraySum(x -> least(x, 10 * usual), groupArray(lines)) as capped,
    quantileExactLow(0.5)(lines) as usual
from
(
    select
        signature_id,
        signature,
        category,
        member,
        max(severity) as severest,
        groupUniqArrayArray(cve) as numbers,
        sum(count) as lines,
        sumIf(count, action = 'allowed') as lines_allowed,
        sumIf(count, action = 'blocked') as lines_blocked,
        sumIf(count, action = 'detected') as lines_detected,
        sumIf(count, action = 'unknown') as lines_unknown,
        uniqExactStateIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as seen,
        min(time) as earliest,
        max(last) as latest
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
        and sensor in ('firewall', 'ids') and (signature_id != '' or signature != '')
    group by signature_id, signature, category, member
)
group by signature_id, signature, category
having members >= {least_members:UInt32}
order by members desc, top_severity desc, capped desc, signature_id, signature, category
limit {limit:UInt32}
