-- Connections from outside that were let in to services that should not face the Internet (the ports given), per address and
-- port of the member's. Period: [start, end).
-- returns: dst_ip, dst_port, protocol, total, sources, established, first, last_seen
select
    dst_ip,
    dst_port,
    protocol,
    sum(count) as total,
    uniqExactIf(src_ip, src_ip != toIPv6('::')) as sources,
    sumIf(count, evidence = 'established') as established,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and action = 'allowed' and direction = 'inbound' and sensor in ('firewall', 'ids')
    and has({risky:Array(UInt16)}, ifNull(dst_port, 0))
group by dst_ip, dst_port, protocol
order by total desc, dst_ip, dst_port, protocol
limit {limit:UInt32}
