-- Every certificate that a device was given. The present one's values stand in `device`, too.
CREATE TABLE device_certificate (
    serial      TEXT PRIMARY KEY,
    device      TEXT    NOT NULL REFERENCES device (id),
    fingerprint TEXT    NOT NULL UNIQUE,
    public_key  TEXT,
    not_before  BIGINT  NOT NULL,
    not_after   BIGINT  NOT NULL,
    issued      BIGINT  NOT NULL,
    issued_by   TEXT    NOT NULL,
    stage       TEXT    NOT NULL CHECK (stage IN ('next', 'present', 'past')),
    ended       BIGINT,
    why         TEXT
);
CREATE INDEX device_certificate_device ON device_certificate (device);
CREATE INDEX device_certificate_key ON device_certificate (public_key);
CREATE UNIQUE INDEX device_certificate_stage ON device_certificate (device, stage) WHERE stage <> 'past';
CREATE INDEX device_certificate_ended ON device_certificate (not_after) WHERE ended IS NOT NULL;
INSERT INTO device_certificate (serial, device, fingerprint, not_before, not_after, issued, issued_by, stage, ended, why)
SELECT serial, id, fingerprint, not_before, not_after, enrolled, enrolled_by, 'present', revoked,
       CASE WHEN revoked IS NULL THEN NULL ELSE 'unspecified' END
FROM device;

ALTER TABLE device ADD COLUMN last_used BIGINT;
ALTER TABLE device ADD COLUMN revoked_why TEXT;
-- The name in small letters, to be searched.
ALTER TABLE device ADD COLUMN folded TEXT NOT NULL DEFAULT '';
UPDATE device SET folded = lower(name);
CREATE INDEX device_enrolled ON device (enrolled, id);
CREATE INDEX device_not_after ON device (not_after, id);

-- Codes that devices are enrolled by. Of the code, `prefix` is kept as it is and all of it as a keyed hash.
CREATE TABLE device_code (
    id           TEXT PRIMARY KEY,
    prefix       TEXT    NOT NULL UNIQUE,
    hash         TEXT    NOT NULL,
    organisation TEXT    NOT NULL REFERENCES organisation (hsa),
    name         TEXT    NOT NULL,
    issued       BIGINT  NOT NULL,
    issued_by    TEXT    NOT NULL,
    expires      BIGINT  NOT NULL,
    tries        BIGINT  NOT NULL DEFAULT 0,
    ended        BIGINT,
    device       TEXT REFERENCES device (id)
);
CREATE INDEX device_code_open ON device_code (organisation, expires) WHERE ended IS NULL;

-- The certificate revocation list as it was last signed. `stamp`: what it was made from.
CREATE TABLE device_crl (
    one         BIGINT  PRIMARY KEY CHECK (one = 1),
    number      BIGINT  NOT NULL,
    stamp       TEXT    NOT NULL,
    this_update BIGINT  NOT NULL,
    next_update BIGINT  NOT NULL,
    der         BYTEA   NOT NULL
);
