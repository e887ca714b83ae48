-- The ports tried from outside, by firewalls and intrusion detection. Period: [start, end).
-- returns: dst_port, protocol, blocked, allowed, detected, unknown, tries, sources, members
select
    dst_port,
    protocol,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    sum(count) as tries,
    uniqExact(src_ip) as sources,
    uniqExact(member) as members
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
group by dst_port, protocol
order by tries desc, dst_port, protocol
limit {most:UInt32}
