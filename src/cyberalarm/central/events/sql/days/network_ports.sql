with
    chosen as
    (
        select
            port,
            sum(lines) as total,
            sum(lines_allowed) as allowed,
            sum(lines_blocked) as blocked,
            sum(lines_detected) as detected,
            sum(lines_unknown) as unknown,
            count() as members,
            arraySum(x -> least(x, 10 * usual), groupArray(lines)) as capped,
            quantileExactLow(0.5)(lines) as usual
        from
        (
            select
                port,
                member,
                sum(one.2) as lines,
                sumIf(one.2, intDiv(one.1, 4) % 4 = 1) as lines_allowed,
                sumIf(one.2, intDiv(one.1, 4) % 4 = 2) as lines_blocked,
                sumIf(one.2, intDiv(one.1, 4) % 4 = 3) as lines_detected,
                sumIf(one.2, intDiv(one.1, 4) % 4 = 0) as lines_unknown
            from
            (
                select member, arrayJoin(arrayZip(tried.1, tried.2)) as one, intDiv(one.1, 16) as port
                from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
                    and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
            )
            group by port, member
        )
        group by port
        having members >= {least_members:UInt32}
        order by members desc, capped desc, port
        limit {limit:UInt32}
    ),
    origins as
    (
        select port, uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources
        from
        (
            select src_ip, arrayJoin(arrayMap(x -> intDiv(x, 16), tried.1)) as port
            from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
                and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
        )
        where port in (select port from chosen)
        group by port
    )
select
    if(intDiv(chosen.port, 256) = 65536, null, toUInt16(intDiv(chosen.port, 256))) as dst_port,
    toUInt8(chosen.port % 256) as protocol,
    total, allowed, blocked, detected, unknown, sources, members, capped
from chosen join origins on chosen.port = origins.port
order by members desc, capped desc, dst_port, protocol
