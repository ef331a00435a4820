-- Logins, failures, locks, refused devices and handshakes, changes of accounts, grants and devices, and every read
-- of the audit data itself. Written by gateways and auditors. Codecs as in access_log.
CREATE TABLE IF NOT EXISTS ${database}.auth_event${on_cluster} (
    event_id UUID CODEC(LZ4),
    node LowCardinality(String),
    seq UInt64 CODEC(Delta, ZSTD(1)),
    batch UInt64 CODEC(Delta, ZSTD(1)),
    ts DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    tenant LowCardinality(String),
    kind Enum8(
        'handshake_refused' = 1, 'device_refused' = 2, 'login' = 3, 'login_failed' = 4, 'logout' = 5,
        'session_ended' = 6, 'account_locked' = 7, 'account_unlocked' = 8, 'account_created' = 9,
        'account_changed' = 10, 'account_closed' = 11, 'grant_changed' = 12, 'device_enrolled' = 13,
        'device_revoked' = 14, 'credentials_set' = 15, 'audit_read' = 16, 'connection_cut' = 17,
        'request_refused' = 18, 'journal_gap' = 19
    ),
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
    account UUID,
    by UUID,
    user_name FixedString(16),
    device UUID,
    device_cert FixedString(32),
    device_org LowCardinality(String),
    src_ip IPv6,
    src_country FixedString(2),
    src_asn UInt32,
    auth_method Enum8('none' = 0, 'password_totp' = 1, 'passkey' = 2, 'oidc' = 3, 'siths' = 4, 'token' = 5),
    session UInt64,
    count UInt32,
    detail String CODEC(ZSTD(1)),
    INDEX by_account account TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_device device TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ${replacing}
PARTITION BY toYYYYMM(ts)
ORDER BY (node, ts, event_id)
TTL toDateTime(ts) + INTERVAL ${retention_years} YEAR
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
