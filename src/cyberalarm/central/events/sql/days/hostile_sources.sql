with
    x -> if(
        x between toIPv6('::ffff:0.0.0.0') and toIPv6('::ffff:255.255.255.255'), x, tupleElement(IPv6CIDRToRange(x, 64), 1)
    ) as whole,
    known as
    (
        select whole(src_ip) as address, uniqExact(member) as proven
        from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
            and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids') and src_ip != toIPv6('::')
            and established > 0
            and (category in ('scan', 'guessing', 'exploit', 'web_attack', 'malware', 'command_and_control', 'denial')
                or (category = 'none' and arrayExists(
                    x -> x % 4 = 2 and has({risky:Array(UInt16)}, if(x >= 268435456, 0, intDiv(x, 4096))), tried.1)))
        group by address
        having proven >= {least_proven:UInt32}
    ),
    own as
    (
        select distinct whole(arrayJoin(if(direction = 'inbound', targets, [src_ip]))) as address
        from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
            and direction in ('inbound', 'outbound')
    ),
    seen as
    (
        select whole(src_ip) as source, uniqExact(member) as members
        from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
            and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
            and ((sensor = 'firewall' and category = 'none' and (blocked > 0 or detected > 0))
                or category in ('scan', 'guessing', 'exploit', 'web_attack', 'malware', 'command_and_control', 'denial'))
            and source in (select address from known) and source not in (select address from own)
        group by source
        having members >= {least_members:UInt32}
    )
select seen.source as source, seen.members as members, known.proven as proven
from seen join known on seen.source = known.address
order by members desc, proven desc, source
limit {limit:UInt32}
