-- Sources seen at several members, at most members first.
-- returns: src_ip, members, forces, total, established, ports, first, last_seen
select
    src_ip,
    uniqExact(member) as members,
    uniqExact(force) as forces,
    sum(count) as total,
    sumIf(count, evidence = 'established') as established,
    uniqExactIf((dst_port, protocol), dst_port is not null) as ports,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
group by src_ip
having members >= {least_members:UInt32}
order by members desc, forces desc, total desc, src_ip
limit {limit:UInt32}
