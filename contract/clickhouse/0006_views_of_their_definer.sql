-- The views of 0005, now read by the right of whoever made them (the user of `auditor migrate`, who must stay): a reader needs
-- a grant for a view, and none for the tables behind it, where there is more than the view shows. The embedded engine
-- has no grants, and takes the clause without effect.
CREATE OR REPLACE VIEW ${database}.access${on_cluster}
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    record_id, node, seq, ts, toTimeZone(ts, 'Europe/Stockholm') AS ts_local, phase, registry, account, user_hsa,
    user_title, care_provider_hsa, care_unit_hsa, care_unit_name, auth_method, device, device_org, src_ip,
    src_country, request_id, method, route, status, bytes, duration_us, activity, purpose, initiator, decision,
    reason, resource_type, sensitivity, lower(hex(patient_ref)) AS patient, patient_source, outcome
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
