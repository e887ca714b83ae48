-- The domains that unwanted mail said it came from, most often first. A sender's domain is easily forged.
-- returns: sender_domain, total, members, first, last_seen
select
    sender_domain,
    sum(count) as total,
    uniqExact(member) as members,
    min(time) as first,
    max(last) as last_seen
from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')} and sender_domain is not null
group by sender_domain
order by total desc, sender_domain
limit {limit:UInt32}
