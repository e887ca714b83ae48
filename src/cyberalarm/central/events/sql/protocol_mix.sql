-- Suspicious activity by IANA protocol number (255: not said), by what kind of device spoke and what it did.
-- returns: protocol, sensor, action, total
select protocol, sensor, action, sum(count) as total
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
group by protocol, sensor, action
order by total desc, protocol, sensor, action
