-- Which of the member's own addresses were tried from outside. Period: [start, end).
-- returns: dst_ip, blocked, allowed, detected, unknown, tries, sources, ports
select
    dst_ip,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    sum(count) as tries,
    uniqExact(src_ip) as sources,
    uniqExactIf((dst_port, protocol), dst_port is not null) as ports
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and dst_ip != toIPv6('::') and sensor in ('firewall', 'ids')
group by dst_ip
order by tries desc, dst_ip
limit {most:UInt32}
