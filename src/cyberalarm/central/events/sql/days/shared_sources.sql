select count() as sources
from
(
    select src_ip
    from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
    group by src_ip
    having uniqExact(member) >= {least_members:UInt32}
)
