select
    if(intDiv(port, 256) = 65536, null, toUInt16(intDiv(port, 256))) as dst_port,
    toUInt8(port % 256) as protocol,
    sum(one.2) as total,
    sumIf(one.2, intDiv(one.1, 4) % 4 = 1) as allowed,
    sumIf(one.2, intDiv(one.1, 4) % 4 = 2) as blocked,
    sumIf(one.2, intDiv(one.1, 4) % 4 = 3) as detected,
    sumIf(one.2, intDiv(one.1, 4) % 4 = 0) as unknown,
    uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources,
    uniqExact(member) as members
from
(
    select member, src_ip, arrayJoin(arrayZip(tried.1, tried.2)) as one, intDiv(one.1, 16) as port
    from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
)
group by port
order by total desc, dst_port, protocol
limit {limit:UInt32}
