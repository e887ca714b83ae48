-- Sources, IPv6 by networks of 64 bits, that were blocked, caught scanning, guessing passwords or attacking at so many members, what
-- most members saw first; and of these only such as cannot be forged: at least so many members had both sides speak in a detection,
-- or in a connection to a service that should not face the Internet. No address to which something was sent from outside, or from
-- which something was sent, counts as a source: it is a member's own. That a source was let in elsewhere makes it no more hostile, so
-- that what is kept because it is listed does not keep it listed. Period: [start, end).
-- returns: source, members, proven
with
    x -> if(
        x between toIPv6('::ffff:0.0.0.0') and toIPv6('::ffff:255.255.255.255'), x, tupleElement(IPv6CIDRToRange(x, 64), 1)
    ) as whole,
    own as
    (
        select distinct whole(if(direction = 'inbound', dst_ip, src_ip)) as address
        from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
            and direction in ('inbound', 'outbound')
    ),
    seen as
    (
        select
            src_ip,
            member,
            max((sensor = 'firewall' and category = 'none' and action in ('blocked', 'detected'))
                or category in ('scan', 'guessing', 'exploit', 'web_attack', 'malware', 'command_and_control', 'denial')) as hostile,
            max(evidence = 'established'
                and (category in ('scan', 'guessing', 'exploit', 'web_attack', 'malware', 'command_and_control', 'denial')
                    or (category = 'none' and has({risky:Array(UInt16)}, ifNull(dst_port, 0))))) as proof
        from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
            and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids') and src_ip != toIPv6('::')
        group by src_ip, member
    )
select
    whole(src_ip) as source,
    uniqExactIf(member, hostile) as members,
    uniqExactIf(member, proof) as proven
from seen
where source not in (select address from own)
group by source
having members >= {least_members:UInt32} and proven >= {least_proven:UInt32}
order by members desc, proven desc, source
limit {limit:UInt32}
