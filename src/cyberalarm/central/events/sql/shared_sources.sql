-- How many sources were seen at so many members at least. Period: [start, end).
-- returns: sources
select count() as sources
from
(
    select src_ip
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
        and direction in ('inbound', 'unknown') and src_ip != toIPv6('::')
    group by src_ip
    having uniqExact(member) >= {least_members:UInt32}
)
