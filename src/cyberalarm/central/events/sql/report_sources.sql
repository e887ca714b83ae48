-- The outside addresses behind most events: events by action, ports (the three most tried as [events, port * 256 + protocol],
-- 65536 standing for no port), targets, first and last time, whether any line shows that both sides spoke, and at how many
-- members and forces it was seen. Rows seen at fewer members than asked for are left out. Period: [start, end).
-- returns: src_ip, blocked, allowed, detected, unknown, tries, ports, top_ports, targets, first, last_seen, established, one_way, members, forces
select
    src_ip,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    sum(count) as tries,
    length(by_port.1) as ports,
    arraySlice(arrayReverseSort(arrayZip(by_port.2, by_port.1)), 1, 3) as top_ports,
    uniqExactIf(dst_ip, dst_ip != toIPv6('::')) as targets,
    min(time) as first,
    max(last) as last_seen,
    countIf(evidence = 'established') as established,
    countIf(evidence = 'one_way') as one_way,
    uniqExact(member) as members,
    uniqExact(force) as forces,
    sumMap([toUInt32(ifNull(toUInt32(dst_port), 65536) * 256 + protocol)], [toUInt64(count)]) as by_port
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
group by src_ip
having members >= {least_members:UInt32}
order by members * {members_first:UInt8} desc, tries desc, src_ip
limit {most:UInt32}
