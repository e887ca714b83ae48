select list, held
from
(
    select 'ports' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
            and direction in ('inbound', 'unknown') and sensor in ('firewall', 'ids')
        group by arrayJoin(arrayMap(x -> intDiv(x, 16), tried.1))
    )
    union all
    select 'signatures' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
            and sensor in ('firewall', 'ids') and (signature_id != '' or signature != '')
        group by signature_id, signature, category
    )
    union all
    select 'cves' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London') and notEmpty(cve)
        group by arrayJoin(cve)
    )
    union all
    select 'threats' as list, countIf(seen_at < {least_members:UInt32}) as held
    from
    (
        select uniqExact(member) as seen_at
        from detection_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
            and sensor in ('antivirus', 'antispam') and threat != ''
        group by sensor, threat
    )
)
order by list
