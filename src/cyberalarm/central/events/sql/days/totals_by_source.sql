select src_ip, sum(allowed + blocked + detected + unknown) as total
from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
    and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
group by src_ip
order by total desc, src_ip
limit {limit:UInt32}
