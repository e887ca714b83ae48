-- Which groups of events passed a rule's thresholds, and in which half-windows. Each event counts in two windows that
-- overlap by half, so that a burst over an edge is not missed: window `slot` covers [slot, slot + 2) halves.
-- returns: who, key, parts, slots
select who, key, parts, arraySort(groupArray(slot)) as slots
from
(
    select
        @who@ as who,
        @parts@ as parts,
        toString(parts) as key,
        intDiv(toUnixTimestamp64Milli(time), {half:Int64}) + arrayJoin([-1, 0]) as slot
    from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
        @conditions@
    group by who, key, parts, slot
    having sum(count) >= {least_tries:UInt64}
        and uniqExact(@distinct@) >= {least_distinct:UInt64}
        and uniqExact(member) >= {least_members:UInt64}
        and uniqExact(toStartOfHour(time)) >= {least_hours:UInt64}
)
group by who, key, parts
order by who, key
limit {most:UInt32}
