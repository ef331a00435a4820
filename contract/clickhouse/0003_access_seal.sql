-- One signed, chained seal per batch of access_log or auth_event rows of a node.
CREATE TABLE IF NOT EXISTS ${database}.access_seal${on_cluster} (
    node LowCardinality(String),
    stream Enum8('access' = 1, 'auth' = 2),
    batch UInt64 CODEC(Delta, ZSTD(1)),
    first UInt64 CODEC(Delta, ZSTD(1)),
    last UInt64 CODEC(Delta, ZSTD(1)),
    root FixedString(32) CODEC(NONE),
    leaves Array(UInt64) CODEC(NONE),
    previous FixedString(32) CODEC(NONE),
    ts DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    key FixedString(32),
    signature FixedString(64) CODEC(NONE)
)
ENGINE = ${replacing}
PARTITION BY toYYYYMM(ts)
ORDER BY (node, stream, batch)
TTL toDateTime(ts) + INTERVAL ${retention_years} YEAR
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
