-- What intrusion detection, antivirus and antispam reported by name, most often first, with the CVE numbers they named.
-- returns: sensor, product, signature_id, signature, category, severity, total, sources, members, cves, first, last_seen
select
    sensor,
    product,
    signature_id,
    signature,
    category,
    max(severity) as severity,
    sum(count) as total,
    uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources,
    uniqExact(member) as members,
    arraySort(groupUniqArrayArray(cve)) as cves,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')} and signature != ''
group by sensor, product, signature_id, signature, category
order by total desc, sensor, product, signature_id, signature, category
limit {limit:UInt32}
