select
    sum(arraySum(
        (x, n) -> if(intDiv(x, 4) % 4 = 1 and has({risky:Array(UInt16)}, if(x >= 268435456, 0, intDiv(x, 4096))), n, 0), tried.1, tried.2
    )) as total
from source_days where {scope} and day >= toDate32({start:DateTime64(3, 'UTC')}, 'Europe/London') and day < toDate32({end:DateTime64(3, 'UTC')}, 'Europe/London')
    and allowed > 0 and direction = 'inbound' and sensor in ('firewall', 'ids')
