with chosen as
(
    select
        src_ip, uniqExact(member) as all_members, uniqExact(force) as all_forces,
        sum(allowed + blocked + detected + unknown) as all_lines
    from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
    group by src_ip
    having all_members >= {least_members:UInt32}
    order by all_members * {widest_first:UInt8} desc, all_forces * {widest_first:UInt8} desc, all_lines desc, src_ip
    limit {limit:UInt32}
)
select
    src_ip,
    sum(lines) as total,
    sum(n_allowed) as allowed,
    sum(n_blocked) as blocked,
    sum(n_detected) as detected,
    sum(n_unknown) as unknown,
    sum(n_established) as established,
    sum(n_one_way) as one_way,
    uniqExactArrayIf(arrayMap(x -> intDiv(x, 16), arrayFilter(x -> x < 268435456, tried.1)), sensor in ('firewall', 'ids')) as ports,
    arraySlice(arrayReverseSort(arrayZip(by_port.2, by_port.1)), 1, 3) as top_ports,
    uniqExactArrayIf(arrayFilter(x -> x != toIPv6('::'), targets_seen), sensor in ('firewall', 'ids')) as targets,
    uniqExact(member) as members,
    uniqExact(force) as forces,
    min(earliest) as first,
    max(latest) as last_seen,
    sumMapIf(arrayMap(x -> toUInt32(intDiv(x, 16)), tried.1), tried.2, sensor in ('firewall', 'ids')) as by_port
from
(
    select
        src_ip, member, force, sensor, tried, targets as targets_seen, first as earliest, last_seen as latest,
        established as n_established, one_way as n_one_way, allowed as n_allowed, blocked as n_blocked, detected as n_detected, unknown as n_unknown, allowed + blocked + detected + unknown as lines
    from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
        and direction in ('inbound', 'unknown') and src_ip in (select src_ip from chosen)
)
group by src_ip
order by members * {widest_first:UInt8} desc, forces * {widest_first:UInt8} desc, total desc, src_ip
