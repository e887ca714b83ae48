-- Events by whether they have an outside address to place in a country: from outside, from the member's own network, or from
-- no address at all (as antivirus usually reports). Period: [start, end).
-- returns: placeable, own, no_address
select
    sumIf(count, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as placeable,
    sumIf(count, direction in ('outbound', 'internal')) as own,
    sumIf(count, direction in ('inbound', 'unknown') and src_ip = toIPv6('::')) as no_address
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
