select
    sensor,
    threat,
    sender_domain as domain,
    sum(allowed + blocked + detected + unknown) as total,
    uniqExactArray(origins) as sources,
    min(earliest) as first,
    max(latest) as last_seen
from
(
    select
        sensor, threat, sender_domain, allowed, blocked, detected, unknown, sources as origins,
        first as earliest, last_seen as latest
    from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and sensor in ('antivirus', 'antispam')
)
group by sensor, threat, domain
order by sensor, total desc, threat, domain
limit {limit:UInt32}
