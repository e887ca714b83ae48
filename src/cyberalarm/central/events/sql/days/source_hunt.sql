select
    src_ip,
    uniqExact(member) as members,
    uniqExact(force) as forces,
    count(distinct day) as days,
    sum(allowed + blocked + detected + unknown) as total,
    min(earliest) as first,
    max(latest) as last_seen
from
(
    select
        src_ip, member, force, day, allowed, blocked, detected, unknown, first as earliest, last_seen as latest
    from source_index where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and src_ip in {sources:Array(IPv6)}
)
group by src_ip
order by src_ip
