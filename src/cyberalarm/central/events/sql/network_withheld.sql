-- How many ports, signatures, CVE numbers and threats were seen at fewer members than least_members: what a members' edition leaves
-- out of its lists. Period: [start, end).
-- returns: list, held
select list, held
from
(
    select 'ports' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
            and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
        group by dst_port, protocol
    )
    union all
    select 'signatures' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
            and sensor in ('firewall', 'ids') and (signature_id != '' or signature != '')
        group by signature_id, signature, category
    )
    union all
    select 'cves' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')} and notEmpty(cve)
        group by arrayJoin(cve)
    )
    union all
    select 'threats' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
            and sensor in ('antivirus', 'antispam') and threat != ''
        group by sensor, threat
    )
)
order by list
