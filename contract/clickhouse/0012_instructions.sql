-- Registries are closed to who has not accepted the security instructions.
ALTER TABLE ${database}.access_log${on_cluster}
    MODIFY COLUMN reason Enum8(
        'none' = 0, 'no_route' = 1, 'malformed' = 2, 'head_too_large' = 3, 'body_too_large' = 4, 'misdirected' = 5,
        'device_unknown' = 6, 'device_revoked' = 7, 'device_foreign' = 8, 'no_session' = 9, 'session_elsewhere' = 10,
        'account_inactive' = 11, 'no_grant' = 12, 'read_only' = 13, 'other_unit' = 14, 'directory_stale' = 15,
        'journal_unavailable' = 16, 'rate_limited' = 17, 'upstream_unavailable' = 18, 'method' = 19, 'slow' = 20,
        'forged' = 21, 'instructions_due' = 22, 'patient_absent' = 40, 'patient_form' = 41, 'patient_date' = 42, 'patient_check_digit' = 43,
        'patient_body' = 44, 'patient_in_response' = 45, 'patients_too_many' = 46, 'unscanned' = 47,
        'unscannable' = 48, 'cert_absent' = 60, 'cert_expired' = 61, 'cert_foreign' = 62, 'cert_purpose' = 63,
        'cert_revoked' = 64, 'cert_broken' = 65, 'tls_version' = 66, 'bad_credentials' = 80, 'bad_second_factor' = 81,
        'code_replayed' = 82, 'locked' = 83, 'emergency_life' = 90, 'emergency_incapable' = 91,
        'emergency_acute' = 92, 'emergency_other' = 93, 'unused' = 100, 'uncollected' = 101, 'unconfirmed' = 102,
        'no_action' = 103, 'incident' = 104, 'by_form' = 105, 'account_closed' = 106, 'expired' = 107,
        'employment_ended' = 108,
        'not_appointed' = 110, 'own' = 111, 'decided_before' = 112, 'other_signature' = 113, 'not_theirs' = 114,
        'unidentified' = 115, 'code_unknown' = 120, 'code_expired' = 121, 'code_spent' = 122, 'undelivered' = 123,
        'provider_answer' = 124, 'weak_login' = 125, 'no_account' = 126
    );

ALTER TABLE ${database}.auth_event${on_cluster}
    MODIFY COLUMN reason Enum8(
        'none' = 0, 'no_route' = 1, 'malformed' = 2, 'head_too_large' = 3, 'body_too_large' = 4, 'misdirected' = 5,
        'device_unknown' = 6, 'device_revoked' = 7, 'device_foreign' = 8, 'no_session' = 9, 'session_elsewhere' = 10,
        'account_inactive' = 11, 'no_grant' = 12, 'read_only' = 13, 'other_unit' = 14, 'directory_stale' = 15,
        'journal_unavailable' = 16, 'rate_limited' = 17, 'upstream_unavailable' = 18, 'method' = 19, 'slow' = 20,
        'forged' = 21, 'instructions_due' = 22, 'patient_absent' = 40, 'patient_form' = 41, 'patient_date' = 42, 'patient_check_digit' = 43,
        'patient_body' = 44, 'patient_in_response' = 45, 'patients_too_many' = 46, 'unscanned' = 47,
        'unscannable' = 48, 'cert_absent' = 60, 'cert_expired' = 61, 'cert_foreign' = 62, 'cert_purpose' = 63,
        'cert_revoked' = 64, 'cert_broken' = 65, 'tls_version' = 66, 'bad_credentials' = 80, 'bad_second_factor' = 81,
        'code_replayed' = 82, 'locked' = 83, 'emergency_life' = 90, 'emergency_incapable' = 91,
        'emergency_acute' = 92, 'emergency_other' = 93, 'unused' = 100, 'uncollected' = 101, 'unconfirmed' = 102,
        'no_action' = 103, 'incident' = 104, 'by_form' = 105, 'account_closed' = 106, 'expired' = 107,
        'employment_ended' = 108,
        'not_appointed' = 110, 'own' = 111, 'decided_before' = 112, 'other_signature' = 113, 'not_theirs' = 114,
        'unidentified' = 115, 'code_unknown' = 120, 'code_expired' = 121, 'code_spent' = 122, 'undelivered' = 123,
        'provider_answer' = 124, 'weak_login' = 125, 'no_account' = 126
    );

-- As in 0011, with the column types of now.
CREATE OR REPLACE VIEW ${database}.access${on_cluster}
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    record_id, node, seq, ts, toTimeZone(ts, 'Europe/Stockholm') AS ts_local, phase, registry, account, user_hsa,
    user_title, care_provider_hsa, care_unit_hsa, care_unit_name, auth_method, device, device_org, src_ip,
    src_country, request_id, method, route, status, bytes, duration_us, activity, purpose, initiator, decision,
    reason, resource_type, sensitivity, lower(hex(patient_ref)) AS patient, patient_source, position, outcome
FROM ${database}.access_log FINAL
WHERE phase != 'begin' OR request_id NOT IN (
    SELECT request_id FROM ${database}.access_log WHERE phase = 'end'
);

CREATE OR REPLACE VIEW ${database}.event${on_cluster}
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    event_id, node, seq, ts, toTimeZone(ts, 'Europe/Stockholm') AS ts_local, kind, reason, account, by, device,
    device_org, src_ip, src_country, auth_method, count, detail
FROM ${database}.auth_event FINAL;
