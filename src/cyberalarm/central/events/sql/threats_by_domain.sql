-- The names that antivirus and antispam gave, one by one for each domain that unwanted mail said it came from (easily forged);
-- what they left unnamed counts as well. Period: [start, end).
-- returns: sensor, threat, domain, total, sources, first, last_seen
select
    sensor,
    threat,
    ifNull(sender_domain, '') as domain,
    sum(count) as total,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and sensor in ('antivirus', 'antispam')
group by sensor, threat, domain
order by sensor, total desc, threat, domain
limit {limit:UInt32}
