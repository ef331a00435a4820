-- Data keys of the gateways, sealed to the auditor's public key (HPKE). Without the auditor's private key they open
-- nothing; a key deleted here makes the identities sealed under it unreadable for ever.
CREATE TABLE IF NOT EXISTS ${database}.data_key${on_cluster} (
    key_id UUID,
    node LowCardinality(String),
    ts DateTime64(6, 'UTC'),
    wrapped String
)
ENGINE = ${replacing}
ORDER BY key_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
