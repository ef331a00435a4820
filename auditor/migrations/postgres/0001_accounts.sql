-- The whole schema, as the SQLite database has it after all of its steps.
-- Accounts, devices, sessions, the directory's changes, and the events that wait for ClickHouse.
-- Times are microseconds since the Unix epoch, UTC. Ids are text. Secrets are never here in the clear.

-- The state that the directory is in. One row; each change moves it on, in the change's own transaction.
CREATE TABLE directory_head (
    one   BIGINT  PRIMARY KEY CHECK (one = 1),
    epoch BIGINT  NOT NULL
);
INSERT INTO directory_head (one, epoch) VALUES (1, 0);

CREATE TABLE directory_change (
    epoch BIGINT  PRIMARY KEY,
    at    BIGINT  NOT NULL,
    entry TEXT    NOT NULL
);

CREATE TABLE organisation (
    hsa     TEXT PRIMARY KEY,
    name    TEXT    NOT NULL,
    created BIGINT  NOT NULL
);

CREATE TABLE account (
    id          TEXT PRIMARY KEY,
    user_name   TEXT    NOT NULL,
    hsa         TEXT,
    name        TEXT    NOT NULL,
    title       TEXT    NOT NULL,
    roles       TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    state_at    BIGINT  NOT NULL,
    state_until BIGINT,
    failures    BIGINT  NOT NULL DEFAULT 0,
    locks       BIGINT  NOT NULL DEFAULT 0,
    last_login  BIGINT,
    created     BIGINT  NOT NULL
);
-- A user name is free again only when its account is closed for good: one person, one account at a time.
CREATE UNIQUE INDEX account_user_name ON account (user_name) WHERE state NOT IN ('deregistered', 'lapsed');
CREATE INDEX account_state ON account (state, state_until);

CREATE TABLE credential (
    account      TEXT PRIMARY KEY REFERENCES account (id),
    password     TEXT,
    password_set BIGINT,
    totp         BYTEA,
    totp_set     BIGINT,
    totp_step    BIGINT  NOT NULL DEFAULT 0
);

CREATE TABLE account_grant (
    account    TEXT    NOT NULL REFERENCES account (id),
    registry   TEXT    NOT NULL,
    access     TEXT    NOT NULL,
    units      TEXT    NOT NULL,
    valid_from BIGINT  NOT NULL,
    valid_to   BIGINT,
    given      BIGINT  NOT NULL,
    given_by   TEXT    NOT NULL,
    PRIMARY KEY (account, registry)
);

CREATE TABLE device (
    id           TEXT PRIMARY KEY,
    organisation TEXT    NOT NULL REFERENCES organisation (hsa),
    name         TEXT    NOT NULL,
    serial       TEXT    NOT NULL UNIQUE,
    fingerprint  TEXT    NOT NULL UNIQUE,
    not_before   BIGINT  NOT NULL,
    not_after    BIGINT  NOT NULL,
    enrolled     BIGINT  NOT NULL,
    enrolled_by  TEXT    NOT NULL,
    revoked      BIGINT,
    revoked_by   TEXT
);
CREATE INDEX device_organisation ON device (organisation);

-- The key is SHA-256 of the token, so that who reads this table cannot use a session.
CREATE TABLE session (
    key            TEXT PRIMARY KEY,
    account        TEXT    NOT NULL REFERENCES account (id),
    device         TEXT    NOT NULL REFERENCES device (id),
    created        BIGINT  NOT NULL,
    expires        BIGINT  NOT NULL,
    idle_s         BIGINT  NOT NULL,
    last_used      BIGINT  NOT NULL,
    published_used BIGINT  NOT NULL,
    auth_method    TEXT    NOT NULL,
    acr            TEXT    NOT NULL,
    commission     TEXT    NOT NULL,
    ended          BIGINT
);
CREATE INDEX session_account ON session (account) WHERE ended IS NULL;
CREATE INDEX session_device ON session (device) WHERE ended IS NULL;
CREATE INDEX session_live ON session (expires) WHERE ended IS NULL;

-- Events that are not in ClickHouse yet. `number` is gapless per installation: the seal's chain counts on it.
CREATE TABLE auth_event_outbox (
    number  BIGINT  PRIMARY KEY,
    at      BIGINT  NOT NULL,
    payload BYTEA    NOT NULL,
    batch   BIGINT
);
CREATE TABLE auth_event_head (
    one    BIGINT  PRIMARY KEY CHECK (one = 1),
    number BIGINT  NOT NULL,
    batch  BIGINT  NOT NULL,
    chain  TEXT    NOT NULL,
    node   TEXT
);
INSERT INTO auth_event_head (one, number, batch, chain)
VALUES (1, 0, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- From where an account acts: commissions (medarbetaruppdrag). One for each account now; the table has room for several,
-- from which a user will choose at login.
CREATE TABLE account_commission (
    id             TEXT PRIMARY KEY,
    account        TEXT    NOT NULL REFERENCES account (id),
    hsa            TEXT,
    name           TEXT    NOT NULL,
    purpose        TEXT    NOT NULL,
    care_provider  TEXT    NOT NULL,
    care_unit      TEXT    NOT NULL,
    care_unit_name TEXT    NOT NULL,
    given          BIGINT  NOT NULL,
    given_by       TEXT    NOT NULL
);
CREATE INDEX account_commission_account ON account_commission (account);

-- Who does scheduled work. A holder counts up; one that has stopped counting is replaced.
CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder TEXT    NOT NULL,
    beat   BIGINT  NOT NULL
);
