-- The access log: one row per request and patient. Rows are written once and never changed.
--
-- Sort key: a unit's and a user's accesses in time order stand together, which is what the monthly follow-up
-- reads; a patient's rows are found by the bloom index. The row's own id is last, so that a batch sent twice
-- collapses: read with FINAL, or through the view access.
--
-- Inserts come with optimize_on_insert = 0: else the engine looks for doubles within each insert, row by row, which is
-- a third of what the insert costs, and finds none.
--
-- Codecs: an id is random but for its time. LZ4 (record_id, which every FINAL reads) and ZSTD (request_id) find the
-- time again: 14 and 11 bytes of 16. Delta would take one half of a UUID from the other. Sealed identities are random
-- throughout: NONE. Numbers that grow or stay small are packed first (Delta, DoubleDelta, T64). The rest has LZ4.
--
-- Indexes: by_patient and by_request find single rows that the sort key cannot, for 0.3 and 1.3 bytes a row. by_batch
-- is for the question whether a batch is there; it takes no time or space that could be measured.
--
-- min_bytes_for_wide_part: a fresh part, up to some 100,000 rows, is one data file to write and sync instead of a
-- hundred, which saves some 0.5 us a row; larger ones are wide, and are merged column by column.
CREATE TABLE IF NOT EXISTS ${database}.access_log${on_cluster} (
    record_id UUID CODEC(LZ4),
    node LowCardinality(String),
    seq UInt64 CODEC(Delta, ZSTD(1)),
    batch UInt64 CODEC(Delta, ZSTD(1)),
    ts DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    phase Enum8('whole' = 1, 'begin' = 2, 'end' = 3),
    tenant LowCardinality(String),
    registry LowCardinality(String),
    system_hsa LowCardinality(String),
    account UUID,
    user_hsa LowCardinality(String),
    user_name LowCardinality(String),
    user_title LowCardinality(String),
    commission_hsa LowCardinality(String),
    commission_name LowCardinality(String),
    commission_purpose LowCardinality(String),
    care_provider_hsa LowCardinality(String),
    care_unit_hsa LowCardinality(String),
    care_unit_name LowCardinality(String),
    session UInt64,
    auth_method Enum8('none' = 0, 'password_totp' = 1, 'passkey' = 2, 'oidc' = 3, 'siths' = 4, 'token' = 5),
    acr LowCardinality(String),
    device UUID,
    device_cert FixedString(32),
    device_org LowCardinality(String),
    src_ip IPv6,
    src_country FixedString(2),
    src_asn UInt32,
    request_id UUID CODEC(ZSTD(1)),
    method LowCardinality(String),
    route LowCardinality(String),
    status UInt16,
    bytes UInt64 CODEC(T64, ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    activity Enum8(
        'read' = 1, 'write' = 2, 'sign' = 3, 'print' = 4, 'attest' = 5, 'delete' = 6, 'emergency' = 7, 'search' = 8,
        'export' = 9, 'withdraw' = 10
    ),
    purpose Enum8(
        'care' = 1, 'quality_assurance' = 2, 'other_documentation' = 3, 'statistics' = 4, 'administration' = 5,
        'quality_registry' = 6
    ),
    initiator Enum8('user' = 1, 'prefetch' = 2, 'service' = 3),
    decision Enum8('permit' = 1, 'deny' = 2, 'override' = 3),
    reason Enum8(
        'none' = 0, 'no_route' = 1, 'malformed' = 2, 'head_too_large' = 3, 'body_too_large' = 4, 'misdirected' = 5,
        'device_unknown' = 6, 'device_revoked' = 7, 'device_foreign' = 8, 'no_session' = 9,
        'session_elsewhere' = 10, 'account_inactive' = 11, 'no_grant' = 12, 'read_only' = 13, 'other_unit' = 14,
        'directory_stale' = 15, 'journal_unavailable' = 16, 'rate_limited' = 17, 'upstream_unavailable' = 18,
        'method' = 19, 'slow' = 20, 'forged' = 21, 'patient_absent' = 40, 'patient_form' = 41, 'patient_date' = 42,
        'patient_check_digit' = 43, 'patient_body' = 44, 'patient_in_response' = 45, 'patients_too_many' = 46,
        'cert_absent' = 60, 'cert_expired' = 61, 'cert_foreign' = 62, 'cert_purpose' = 63, 'cert_revoked' = 64,
        'cert_broken' = 65, 'tls_version' = 66, 'bad_credentials' = 80, 'bad_second_factor' = 81,
        'code_replayed' = 82, 'locked' = 83
    ),
    policy_epoch UInt64 CODEC(Delta, ZSTD(1)),
    resource_type LowCardinality(String),
    sensitivity Enum8('normal' = 1, 'high' = 2),
    patient_ref FixedString(16),
    patient_kind UInt8,
    patient_key UUID,
    patient_sealed FixedString(37) CODEC(NONE),
    patient_source Enum8(
        'none' = 0, 'path' = 1, 'query' = 2, 'form' = 3, 'header' = 4, 'body' = 5, 'response' = 6
    ),
    position UInt32,
    protection Enum8('unknown' = 0, 'none' = 1, 'marked' = 2, 'protected_registration' = 3),
    care_relation Enum8('unknown' = 0, 'yes' = 1, 'no' = 2),
    search_terms Array(FixedString(16)),
    outcome Enum8('complete' = 1, 'aborted' = 2, 'failed' = 3, 'refused' = 4, 'unknown' = 5, 'open' = 6),
    INDEX by_patient patient_ref TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_request request_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_batch (node, batch) TYPE minmax GRANULARITY 1
)
ENGINE = ${replacing}
PARTITION BY toYYYYMM(ts)
ORDER BY (care_unit_hsa, account, ts, record_id)
TTL toDateTime(ts) + INTERVAL ${retention_years} YEAR
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 33554432;
