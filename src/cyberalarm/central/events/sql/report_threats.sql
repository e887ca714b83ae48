-- What antivirus and antispam named. Period: [start, end).
-- returns: sensor, threat, domain, tries, sources, first, last_seen
select
    sensor,
    threat,
    ifNull(sender_domain, '') as domain,
    sum(count) as tries,
    uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and sensor in ('antivirus', 'antispam')
group by sensor, threat, domain
order by sensor, tries desc, threat, domain
limit {most:UInt32}
