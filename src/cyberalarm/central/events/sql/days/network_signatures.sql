select
    signature_id,
    signature,
    category,
    max(severest) as top_severity,
    arraySort(groupUniqArrayArray(numbers)) as cves,
    sum(of_member) as total,
    sum(lines_allowed) as allowed,
    sum(lines_blocked) as blocked,
    sum(lines_detected) as detected,
    sum(lines_unknown) as unknown,
    uniqExactArray(seen) as sources,
    count() as members,
    min(earliest) as first,
    max(latest) as last_seen,
    arraySum(x -> least(x, 10 * usual), groupArray(of_member)) as capped,
    quantileExactLow(0.5)(of_member) as usual
from
(
    select
        signature_id,
        signature,
        category,
        member,
        max(severity) as severest,
        groupUniqArrayArray(cve) as numbers,
        sum(allowed + blocked + detected + unknown) as of_member,
        sum(allowed) as lines_allowed,
        sum(blocked) as lines_blocked,
        sum(detected) as lines_detected,
        sum(unknown) as lines_unknown,
        groupUniqArrayArray(sources) as seen,
        min(first) as earliest,
        max(last_seen) as latest
    from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and sensor in ('firewall', 'ids') and (signature_id != '' or signature != '')
    group by signature_id, signature, category, member
)
group by signature_id, signature, category
having members >= {least_members:UInt32}
order by members desc, top_severity desc, capped desc, signature_id, signature, category
limit {limit:UInt32}
