-- Hand-overs of the nodes' seal keys: which key follows which, from which batches on, signed by the old one. They are kept for
-- ever: without one, the seals after it are by a key that nobody knows. The signature is in the sort key, so that two
-- hand-overs of one key stay two, and can be seen.
CREATE TABLE IF NOT EXISTS ${database}.seal_key${on_cluster} (
    node LowCardinality(String),
    old_key FixedString(32),
    new_key FixedString(32),
    access_batch UInt64,
    access_previous FixedString(32),
    auth_batch UInt64,
    auth_previous FixedString(32),
    ts DateTime64(6, 'UTC'),
    signature FixedString(64)
)
ENGINE = ${replacing}
ORDER BY (node, old_key, signature)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
