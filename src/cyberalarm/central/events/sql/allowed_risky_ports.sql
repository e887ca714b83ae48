-- Connections from outside that were let in to services that should not face the Internet (the ports given).
-- returns: member, dst_ip, dst_port, protocol, total, sources, first, last_seen
select
    member,
    dst_ip,
    dst_port,
    protocol,
    sum(count) as total,
    uniqExact(src_ip) as sources,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction = 'inbound' and action = 'allowed' and dst_port in {ports:Array(UInt16)}
group by member, dst_ip, dst_port, protocol
order by total desc, member, dst_ip, dst_port, protocol
limit {limit:UInt32}
