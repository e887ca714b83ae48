-- The sources behind most events, or, with widest_first, those seen at most members, then in most forces: events by action, ports, the three ports
-- tried most (as [events, port * 256 + protocol], 65536 standing for no port), targets, and what shows whether the address may be
-- forged: rows in which both sides spoke, and in which only the source did. Sources seen at fewer members than asked for are left
-- out. Period: [start, end).
-- returns: src_ip, total, allowed, blocked, detected, unknown, established, one_way, ports, top_ports, targets, members, forces, first, last_seen
select
    src_ip,
    sum(count) as total,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    countIf(evidence = 'established') as established,
    countIf(evidence = 'one_way') as one_way,
    uniqExactIf((dst_port, protocol), sensor in ('firewall', 'ids') and dst_port is not null) as ports,
    arraySlice(arrayReverseSort(arrayZip(by_port.2, by_port.1)), 1, 3) as top_ports,
    uniqExactIf(dst_ip, sensor in ('firewall', 'ids') and dst_ip != toIPv6('::')) as targets,
    uniqExact(member) as members,
    uniqExact(force) as forces,
    min(time) as first,
    max(last) as last_seen,
    sumMapIf([toUInt32(ifNull(toUInt32(dst_port), 65536) * 256 + protocol)], [toUInt64(count)], sensor in ('firewall', 'ids')) as by_port
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
group by src_ip
having members >= {least_members:UInt32}
order by members * {widest_first:UInt8} desc, forces * {widest_first:UInt8} desc, total desc, src_ip
limit {limit:UInt32}
