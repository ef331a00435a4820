-- Accounts, devices, sessions, the directory's changes, and the events that wait for ClickHouse.
-- Times are microseconds since the Unix epoch, UTC. Ids are text. Secrets are never here in the clear.

-- The state that the directory is in. One row; each change moves it on, in the change's own transaction.
CREATE TABLE directory_head (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
);
INSERT INTO directory_head (one, epoch) VALUES (1, 0);

CREATE TABLE directory_change (
    epoch INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    entry TEXT    NOT NULL
);

CREATE TABLE organisation (
    hsa     TEXT PRIMARY KEY,
    name    TEXT    NOT NULL,
    created INTEGER NOT NULL
);

CREATE TABLE account (
    id          TEXT PRIMARY KEY,
    user_name   TEXT    NOT NULL,
    hsa         TEXT,
    name        TEXT    NOT NULL,
    title       TEXT    NOT NULL,
    roles       TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    state_at    INTEGER NOT NULL,
    state_until INTEGER,
    failures    INTEGER NOT NULL DEFAULT 0,
    locks       INTEGER NOT NULL DEFAULT 0,
    last_login  INTEGER,
    created     INTEGER NOT NULL
);
-- A user name is free again only when its account is closed for good: one person, one account at a time.
CREATE UNIQUE INDEX account_user_name ON account (user_name) WHERE state NOT IN ('deregistered', 'lapsed');
CREATE INDEX account_state ON account (state, state_until);

CREATE TABLE credential (
    account      TEXT PRIMARY KEY REFERENCES account (id),
    password     TEXT,
    password_set INTEGER,
    totp         BLOB,
    totp_set     INTEGER,
    totp_step    INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE account_grant (
    account    TEXT    NOT NULL REFERENCES account (id),
    registry   TEXT    NOT NULL,
    access     TEXT    NOT NULL,
    units      TEXT    NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to   INTEGER,
    given      INTEGER NOT NULL,
    given_by   TEXT    NOT NULL,
    PRIMARY KEY (account, registry)
);

CREATE TABLE device (
    id           TEXT PRIMARY KEY,
    organisation TEXT    NOT NULL REFERENCES organisation (hsa),
    name         TEXT    NOT NULL,
    serial       TEXT    NOT NULL UNIQUE,
    fingerprint  TEXT    NOT NULL UNIQUE,
    not_before   INTEGER NOT NULL,
    not_after    INTEGER NOT NULL,
    enrolled     INTEGER NOT NULL,
    enrolled_by  TEXT    NOT NULL,
    revoked      INTEGER,
    revoked_by   TEXT
);
CREATE INDEX device_organisation ON device (organisation);

-- The key is SHA-256 of the token, so that who reads this table cannot use a session.
CREATE TABLE session (
    key            TEXT PRIMARY KEY,
    account        TEXT    NOT NULL REFERENCES account (id),
    device         TEXT    NOT NULL REFERENCES device (id),
    created        INTEGER NOT NULL,
    expires        INTEGER NOT NULL,
    idle_s         INTEGER NOT NULL,
    last_used      INTEGER NOT NULL,
    published_used INTEGER NOT NULL,
    auth_method    TEXT    NOT NULL,
    acr            TEXT    NOT NULL,
    commission     TEXT    NOT NULL,
    ended          INTEGER
);
CREATE INDEX session_account ON session (account) WHERE ended IS NULL;
CREATE INDEX session_device ON session (device) WHERE ended IS NULL;
CREATE INDEX session_live ON session (expires) WHERE ended IS NULL;

-- Events that are not in ClickHouse yet. `number` is gapless per installation: the seal's chain counts on it.
CREATE TABLE auth_event_outbox (
    number  INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    payload BLOB    NOT NULL,
    batch   INTEGER
);
CREATE TABLE auth_event_head (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    batch  INTEGER NOT NULL,
    chain  TEXT    NOT NULL
);
INSERT INTO auth_event_head (one, number, batch, chain)
VALUES (1, 0, 0, '0000000000000000000000000000000000000000000000000000000000000000');
