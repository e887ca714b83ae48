select
    sumIf(allowed + blocked + detected + unknown, direction in ('inbound', 'unknown') and sourced) as placeable,
    sumIf(allowed + blocked + detected + unknown, direction in ('outbound', 'internal')) as own,
    sumIf(allowed + blocked + detected + unknown, direction in ('inbound', 'unknown') and not sourced) as no_address
from total_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
