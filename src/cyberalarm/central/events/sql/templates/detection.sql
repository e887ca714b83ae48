-- Which groups of events passed a rule's thresholds, and in which half-windows. Each event counts in two windows that
-- overlap by half, so that a burst over an edge is not missed: window `slot` covers [slot, slot + 2) halves.
-- At most `most` groups for each member (or for the network), so that nobody's groups crowd out another's: those seen at most members
-- first, then those whose source was answered (and so is not forged), then the busiest. What begins with `all_` is over every group of
-- the member, listed or not: how many there are, and their lines in the busiest window of each.
-- returns: who, key, parts, slots, all_groups, all_lines, all_blocked, all_slots, all_first, all_last
select
    who, key, parts, slots,
    count() over (partition by who) as all_groups,
    sum(busiest.1) over (partition by who) as all_lines,
    sum(busiest.2) over (partition by who) as all_blocked,
    [min(slots[1]) over (partition by who), max(slots[-1]) over (partition by who)] as all_slots,
    min(first) over (partition by who) as all_first,
    max(latest) over (partition by who) as all_last
from
(
    select
        who, key, parts,
        arraySort(groupArray(slot)) as slots,
        max(slot_members) as widest,
        max(slot_answered) as answered,
        max((slot_lines, slot_blocked)) as busiest,
        min(slot_first) as first,
        max(slot_latest) as latest
    from
    (
        select
            @who@ as who,
            @parts@ as parts,
            toString(parts) as key,
            intDiv(toUnixTimestamp64Milli(time), {half:Int64}) + arrayJoin([-1, 0]) as slot,
            sum(count) as slot_lines,
            sumIf(count, action = 'blocked') as slot_blocked,
            max(evidence = 'established') as slot_answered,
            uniqExact(member) as slot_members,
            min(time) as slot_first,
            max(time) as slot_latest
        from events where {scope} and time >= {start:DateTime64(3, 'UTC')} and time < {end:DateTime64(3, 'UTC')}
            @conditions@
        group by who, key, parts, slot
        having slot_lines >= {least_tries:UInt64}
            and uniqExact(@distinct@) >= {least_distinct:UInt64}
            and slot_members >= {least_members:UInt64}
            and uniqExact(toStartOfHour(time)) >= {least_hours:UInt64}
    )
    group by who, key, parts
)
order by who, widest desc, answered desc, busiest.1 desc, key
limit {most:UInt32} by who
