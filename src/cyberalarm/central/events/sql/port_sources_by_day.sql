-- For each port tried from outside: its distinct sources, members and lines on each day (of UK time) that saw it, for the
-- rising-port rule. Ports that never had least_sources sources on a day are left out.
-- returns: dst_port, protocol, days, sources, members, totals, series
select
    dst_port,
    protocol,
    arrayMap(p -> p.1, series) as days,
    arrayMap(p -> p.2, series) as sources,
    arrayMap(p -> p.3, series) as members,
    arrayMap(p -> p.4, series) as totals,
    arraySort(groupArray((day, day_sources, day_members, day_total))) as series
from
(
    select
        dst_port,
        protocol,
        toDate(time, 'Europe/London') as day,
        uniqExactIf(src_ip, src_ip != toIPv6('::')) as day_sources,
        uniqExact(member) as day_members,
        sum(count) as day_total
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
        and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids') and dst_port is not null
    group by dst_port, protocol, day
)
group by dst_port, protocol
having max(day_sources) >= {least_sources:UInt32}
order by dst_port, protocol
