-- What reports, trends and pages read instead of events: figures of whole days of UK time. They live longer than the events do.
-- Each table has member, force and region, so that every scope holds on it and every member can be erased from it; each remembers
-- its last blocks, so that an insert repeated under its token completes them as well. What fills them is below; rows that were stored
-- before are added by `filling`, month by month.

-- Day x member x source x kind: who tried what. `tried` is lines by port, protocol, action and evidence in one number:
-- ((port, or 65536 for none) * 256 + protocol) * 16 + action * 4 + evidence. `established` and `one_way` count rows.
create table if not exists source_days
(
    day Date32 codec(Delta, ZSTD(1)),
    member UInt32 codec(Delta, ZSTD(1)),
    force LowCardinality(String) codec(ZSTD(1)),
    region LowCardinality(String) codec(ZSTD(1)),
    src_ip IPv6 codec(ZSTD(1)),
    sensor Enum8('firewall' = 0, 'ids' = 1, 'antivirus' = 2, 'antispam' = 3) codec(ZSTD(1)),
    category Enum8('none' = 0, 'scan' = 1, 'guessing' = 2, 'exploit' = 3, 'web_attack' = 4, 'malware' = 5, 'command_and_control' = 6, 'denial' = 7, 'spam' = 8, 'phishing' = 9, 'policy' = 10, 'anomaly' = 11) codec(ZSTD(1)),
    direction Enum8('unknown' = 0, 'inbound' = 1, 'outbound' = 2, 'internal' = 3) codec(ZSTD(1)),
    allowed SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    blocked SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    detected SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    unknown SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    established SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    one_way SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    tried SimpleAggregateFunction(sumMap, Tuple(Array(UInt32), Array(UInt64))) codec(ZSTD(1)),
    targets SimpleAggregateFunction(groupUniqArrayArray, Array(IPv6)) codec(ZSTD(1))
)
engine = AggregatingMergeTree
partition by toYYYYMM(day)
primary key (day, member, src_ip)
order by (day, member, src_ip, sensor, category, direction, force, region)
settings
    index_granularity = 2048,
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 67108864;

-- Day x member x kind: sums without sources. `sourced` is 0 for rows that name no source.
create table if not exists total_days
(
    day Date32 codec(Delta, ZSTD(1)),
    member UInt32 codec(Delta, ZSTD(1)),
    force LowCardinality(String) codec(ZSTD(1)),
    region LowCardinality(String) codec(ZSTD(1)),
    sensor Enum8('firewall' = 0, 'ids' = 1, 'antivirus' = 2, 'antispam' = 3) codec(ZSTD(1)),
    category Enum8('none' = 0, 'scan' = 1, 'guessing' = 2, 'exploit' = 3, 'web_attack' = 4, 'malware' = 5, 'command_and_control' = 6, 'denial' = 7, 'spam' = 8, 'phishing' = 9, 'policy' = 10, 'anomaly' = 11) codec(ZSTD(1)),
    direction Enum8('unknown' = 0, 'inbound' = 1, 'outbound' = 2, 'internal' = 3) codec(ZSTD(1)),
    sourced UInt8 codec(ZSTD(1)),
    allowed SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    blocked SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    detected SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    unknown SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) codec(T64, ZSTD(1))
)
engine = AggregatingMergeTree
partition by toYYYYMM(day)
primary key (day, member)
order by (day, member, sensor, category, direction, sourced, force, region)
settings
    index_granularity = 2048,
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 67108864;

-- Source x day x member, in the order of sources: where in the network an address, or a list of addresses, was seen.
-- Of its ports 0 stands for none.
create table if not exists source_index
(
    src_ip IPv6 codec(ZSTD(1)),
    day Date32 codec(Delta, ZSTD(1)),
    member UInt32 codec(Delta, ZSTD(1)),
    force LowCardinality(String) codec(ZSTD(1)),
    region LowCardinality(String) codec(ZSTD(1)),
    allowed SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    blocked SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    detected SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    unknown SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    ports SimpleAggregateFunction(groupUniqArrayArray, Array(UInt16)) codec(ZSTD(1))
)
engine = AggregatingMergeTree
partition by toYYYYMM(day)
primary key (src_ip, day, member)
order by (src_ip, day, member, force, region)
settings
    index_granularity = 1024,
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 67108864;

-- Day x member x what was named: signatures, CVE numbers, malware, senders of unwanted mail. `sources` are outside addresses.
create table if not exists detection_days
(
    day Date32 codec(Delta, ZSTD(1)),
    member UInt32 codec(Delta, ZSTD(1)),
    force LowCardinality(String) codec(ZSTD(1)),
    region LowCardinality(String) codec(ZSTD(1)),
    sensor Enum8('firewall' = 0, 'ids' = 1, 'antivirus' = 2, 'antispam' = 3) codec(ZSTD(1)),
    signature_id String codec(ZSTD(1)),
    signature String codec(ZSTD(1)),
    category Enum8('none' = 0, 'scan' = 1, 'guessing' = 2, 'exploit' = 3, 'web_attack' = 4, 'malware' = 5, 'command_and_control' = 6, 'denial' = 7, 'spam' = 8, 'phishing' = 9, 'policy' = 10, 'anomaly' = 11) codec(ZSTD(1)),
    threat String codec(ZSTD(1)),
    sender_domain String codec(ZSTD(1)),
    cve Array(String) codec(ZSTD(1)),
    severity SimpleAggregateFunction(max, UInt8) codec(ZSTD(1)),
    allowed SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    blocked SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    detected SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    unknown SimpleAggregateFunction(sum, UInt64) codec(T64, ZSTD(1)),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(3, 'UTC')) codec(T64, ZSTD(1)),
    sources SimpleAggregateFunction(groupUniqArrayArray, Array(IPv6)) codec(ZSTD(1))
)
engine = AggregatingMergeTree
partition by toYYYYMM(day)
primary key (day, member, sensor)
order by (day, member, sensor, signature_id, signature, category, threat, sender_domain, cve, force, region)
settings
    index_granularity = 2048,
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 67108864;

create materialized view if not exists total_days_view to total_days as
select
    day, member, force, region, sensor, category, direction, src_ip != toIPv6('::') as sourced,
    sum(allowed) as allowed, sum(blocked) as blocked, sum(detected) as detected, sum(unknown) as unknown,
    min(first) as first, max(last_seen) as last_seen
from source_days
group by day, member, force, region, sensor, category, direction, sourced;

create materialized view if not exists source_index_view to source_index as
select
    src_ip, day, member, force, region,
    sum(allowed) as allowed, sum(blocked) as blocked, sum(detected) as detected, sum(unknown) as unknown,
    min(first) as first, max(last_seen) as last_seen,
    groupUniqArrayArray(arrayMap(x -> if(bitShiftRight(x, 12) = 65536, 0, toUInt16(bitShiftRight(x, 12))), tried.1)) as ports
from source_days
group by src_ip, day, member, force, region;

create materialized view if not exists source_days_view to source_days as
select
    toDate32(time, 'Europe/London') as day, member, force, region, src_ip, sensor, category, direction,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    countIf(evidence = 'established') as established,
    countIf(evidence = 'one_way') as one_way,
    min(time) as first,
    max(last) as last_seen,
    sumMap([toUInt32(((ifNull(toUInt32(dst_port), 65536) * 256 + protocol) * 4 + toUInt8(action)) * 4 + toUInt8(evidence))], [toUInt64(count)]) as tried,
    groupUniqArray(dst_ip) as targets
from events
group by day, member, force, region, src_ip, sensor, category, direction;

create materialized view if not exists detection_days_view to detection_days as
select
    toDate32(time, 'Europe/London') as day, member, force, region, sensor, signature_id, signature, category, threat,
    ifNull(sender_domain, '') as sender_domain,
    arrayMap(x -> toString(x), cve) as cve,
    max(severity) as severity,
    sumIf(count, action = 'allowed') as allowed,
    sumIf(count, action = 'blocked') as blocked,
    sumIf(count, action = 'detected') as detected,
    sumIf(count, action = 'unknown') as unknown,
    min(time) as first,
    max(last) as last_seen,
    groupUniqArrayIf(src_ip, direction in ('inbound', 'unknown') and src_ip != toIPv6('::')) as sources
from events
where signature_id != '' or signature != '' or notEmpty(cve) or threat != '' or sensor in ('antivirus', 'antispam')
group by day, member, force, region, sensor, signature_id, signature, category, threat, sender_domain, cve
