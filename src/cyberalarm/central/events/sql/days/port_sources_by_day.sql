select
    toUInt16(intDiv(port, 256)) as dst_port,
    toUInt8(port % 256) as protocol,
    arrayMap(p -> p.1, series) as days,
    arrayMap(p -> p.2, series) as sources,
    arrayMap(p -> p.3, series) as members,
    arrayMap(p -> p.4, series) as totals,
    arraySort(groupArray((day, day_sources, day_members, day_total))) as series
from
(
    select
        day,
        port,
        uniqExactIf(src_ip, src_ip != toIPv6('::')) as day_sources,
        uniqExact(member) as day_members,
        sum(one.2) as day_total
    from
    (
        select day, member, src_ip, arrayJoin(arrayZip(tried.1, tried.2)) as one, intDiv(one.1, 16) as port
        from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
            and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
    )
    where port < 16777216
    group by port, day
)
group by port
having max(day_sources) >= {least_sources:UInt32}
order by dst_port, protocol
