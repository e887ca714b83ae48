-- Events by force, with how many members and sources are behind them. Period: [start, end).
-- returns: force, members, tries, sources
select
    force,
    uniqExact(member) as members,
    sum(count) as tries,
    uniqExactIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by force
order by tries desc, force
