-- What a rule's episodes consist of: exact figures over the matching events of each group between two moments.
-- returns: episode, tries, distinct_values, members, forces, blocked, allowed, detected, established, bytes_in, first, last_seen
-- returns: source_count, target_count, port_count, sources, targets, ports, signatures, cves, threats, products, devices, by_source, by_target, by_port
with wanted as
(
    select
        arrayJoin(arrayEnumerate({keys:Array(String)})) as episode,
        {whos:Array(UInt32)}[episode] as wanted_who,
        {keys:Array(String)}[episode] as wanted_key,
        {starts:Array(Int64)}[episode] as wanted_start,
        {ends:Array(Int64)}[episode] as wanted_end
)
select
    episode,
    sum(lines) as tries,
    uniqExact(distinct_value) as distinct_values,
    uniqExact(of_member) as members,
    uniqExact(of_force) as forces,
    sumIf(lines, of_action = 'blocked') as blocked,
    sumIf(lines, of_action = 'allowed') as allowed,
    sumIf(lines, of_action = 'detected') as detected,
    sumIf(lines, of_evidence = 'established') as established,
    sum(ifNull(of_bytes, 0)) as bytes_in,
    min(of_time) as first,
    max(of_last) as last_seen,
    uniqExactIf(source, source != toIPv6('::')) as source_count,
    uniqExactIf(target, target != toIPv6('::')) as target_count,
    uniqExactIf(port, port is not null) as port_count,
    arraySlice(arrayMap(p -> p.2, arraySort(arrayMap((k, n) -> (-toInt64(n), k), by_source.1, by_source.2))), 1, {examples:UInt8}) as sources,
    arraySlice(arrayMap(p -> p.2, arraySort(arrayMap((k, n) -> (-toInt64(n), k), by_target.1, by_target.2))), 1, {examples:UInt8}) as targets,
    arraySlice(arrayMap(p -> p.2, arraySort(arrayMap((k, n) -> (-toInt64(n), k), by_port.1, by_port.2))), 1, {examples:UInt8}) as ports,
    arraySlice(arraySort(groupUniqArrayIf(name, name != '')), 1, {examples:UInt8}) as signatures,
    arraySlice(arraySort(groupUniqArrayArray(cve_numbers)), 1, {examples:UInt8}) as cves,
    arraySlice(arraySort(groupUniqArrayIf(verdict, verdict != '')), 1, {examples:UInt8}) as threats,
    arrayMap(p -> p.1, reporters) as products,
    arrayMap(p -> p.2, reporters) as devices,
    arraySlice(arraySort(groupUniqArray((by_product, by_device))), 1, {examples:UInt8}) as reporters,
    sumMapIf([source], [toUInt64(lines)], source != toIPv6('::')) as by_source,
    sumMapIf([target], [toUInt64(lines)], target != toIPv6('::')) as by_target,
    sumMapIf([assumeNotNull(port)], [toUInt64(lines)], port is not null) as by_port
from
(
    select
        @who@ as who,
        toString(@parts@) as key,
        toUnixTimestamp64Milli(time) as at,
        @distinct@ as distinct_value,
        count as lines, time as of_time, last as of_last, member as of_member, force as of_force, action as of_action,
        evidence as of_evidence, bytes_in as of_bytes, src_ip as source, dst_ip as target, dst_port as port,
        signature as name, cve as cve_numbers, threat as verdict, product as by_product, device as by_device
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
        @conditions@
)
as matching inner join wanted as asked on matching.who = asked.wanted_who and matching.key = asked.wanted_key
where at >= wanted_start and at < wanted_end
group by episode
order by episode
