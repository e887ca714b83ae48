-- The events that collectors sent, one row per summary, with the origin that the centre adds.
-- member comes first in the order, so that a member's page reads only that member's rows; within an hour, rows of one
-- source lie together, which is what most questions group by and what compresses best.
-- The fsync settings make an answered insert durable against a power cut, merges included; small parts keep their columns in
-- one file, so that an insert waits for one fsync and not for one a column.
create table if not exists events
(
    time DateTime64(3, 'UTC') codec(T64, ZSTD(1)),
    last DateTime64(3, 'UTC') codec(T64, ZSTD(1)),
    count UInt32 codec(T64, ZSTD(1)),
    sensor Enum8('firewall' = 0, 'ids' = 1, 'antivirus' = 2, 'antispam' = 3) codec(ZSTD(1)),
    product LowCardinality(String) codec(ZSTD(1)),
    device LowCardinality(String) codec(ZSTD(1)),
    action Enum8('unknown' = 0, 'allowed' = 1, 'blocked' = 2, 'detected' = 3) codec(ZSTD(1)),
    direction Enum8('unknown' = 0, 'inbound' = 1, 'outbound' = 2, 'internal' = 3) codec(ZSTD(1)),
    src_ip IPv6 codec(ZSTD(1)),
    dst_ip IPv6 codec(ZSTD(1)),
    src_port Nullable(UInt16) codec(ZSTD(1)),
    dst_port Nullable(UInt16) codec(ZSTD(1)),
    protocol UInt8 codec(ZSTD(1)),
    bytes_in Nullable(UInt64) codec(T64, ZSTD(1)),
    bytes_out Nullable(UInt64) codec(T64, ZSTD(1)),
    packets Nullable(UInt64) codec(T64, ZSTD(1)),
    evidence Enum8('unknown' = 0, 'one_way' = 1, 'established' = 2) codec(ZSTD(1)),
    signature_id String codec(ZSTD(1)),
    signature String codec(ZSTD(1)),
    category Enum8('none' = 0, 'scan' = 1, 'guessing' = 2, 'exploit' = 3, 'web_attack' = 4, 'malware' = 5, 'command_and_control' = 6, 'denial' = 7, 'spam' = 8, 'phishing' = 9, 'policy' = 10, 'anomaly' = 11) codec(ZSTD(1)),
    severity UInt8 codec(ZSTD(1)),
    cve Array(LowCardinality(String)) codec(ZSTD(1)),
    threat String codec(ZSTD(1)),
    file_sha256 Nullable(FixedString(32)) codec(ZSTD(1)),
    sender_domain Nullable(String) codec(ZSTD(1)),
    member UInt32 codec(ZSTD(1)),
    collector UInt32 codec(ZSTD(1)),
    sequence UInt64 codec(Delta, ZSTD(1)),
    force LowCardinality(String) codec(ZSTD(1)),
    region LowCardinality(String) codec(ZSTD(1)),
    stored DateTime64(3, 'UTC') codec(Delta, ZSTD(1)),
    index by_source src_ip type bloom_filter(0.01) granularity 4,
    index by_stored stored type minmax granularity 1
)
engine = MergeTree
partition by toYYYYMM(time)
order by (member, toStartOfHour(time), src_ip, time)
settings
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    min_bytes_for_wide_part = 67108864
