-- Every source with its number of events, most first, up to limit rows; for placing them in countries. Period: [start, end).
-- returns: src_ip, total
select src_ip, sum(count) as total
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
    and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
group by src_ip
order by total desc, src_ip
limit {limit:UInt32}
