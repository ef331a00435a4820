-- The account procedure: who is appointed to what, the three forms on their way, which regions vouch for an account, and
-- blocks. What stands in a form, and what people gave as their reason, is sealed: the database alone tells no name, no
-- number and no address.

-- Duties besides being a user. One reach of the four, as the role needs it.
CREATE TABLE appointment (
    id           TEXT PRIMARY KEY,
    account      TEXT    NOT NULL REFERENCES account (id),
    role         TEXT    NOT NULL,
    region       TEXT,
    registry     TEXT,
    organisation TEXT,
    unit         TEXT,
    valid_from   INTEGER NOT NULL,
    valid_to     INTEGER,
    given        INTEGER NOT NULL,
    given_by     TEXT    NOT NULL,
    -- Whether the directory has it: 0 until it begins.
    told         INTEGER NOT NULL,
    ended        INTEGER,
    ended_by     TEXT
);
CREATE INDEX appointment_account ON appointment (account) WHERE ended IS NULL;

-- What roles without a reach were. One that needs a region, a registry or a unit has to be given anew.
INSERT INTO appointment (id, account, role, valid_from, given, given_by, told)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8'
    || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))), id, 'account_admin', created, created, '00000000-0000-0000-0000-000000000000', 1
FROM account WHERE roles LIKE '%"account_admin"%' AND state NOT IN ('deregistered', 'lapsed');
INSERT INTO appointment (id, account, role, valid_from, given, given_by, told)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8'
    || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))), id, 'log_auditor', created, created, '00000000-0000-0000-0000-000000000000', 1
FROM account WHERE roles LIKE '%"supervisor"%' AND state NOT IN ('deregistered', 'lapsed');
ALTER TABLE account DROP COLUMN roles;

-- A form. `version` counts its changes: who decides on what they saw names the one they saw.
CREATE TABLE request (
    id         TEXT PRIMARY KEY,
    kind       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    -- Whose, or of form 1 the account that it made.
    account    TEXT REFERENCES account (id),
    region     TEXT    NOT NULL,
    registry   TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    state_at   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    form       BLOB    NOT NULL
);
CREATE INDEX request_open ON request (state_at) WHERE state IN ('draft', 'submitted', 'approved', 'forwarded');
CREATE INDEX request_account ON request (account);

-- Who did what with it, in order. `words`, sealed: how an approver knows the person, or why it was sent back or refused.
CREATE TABLE request_step (
    request     TEXT    NOT NULL REFERENCES request (id),
    number      INTEGER NOT NULL,
    step        TEXT    NOT NULL,
    by_account  TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    auth_method TEXT    NOT NULL,
    words       BLOB,
    PRIMARY KEY (request, number)
);

-- Regions that vouch for an account, and when each did so last.
CREATE TABLE account_region (
    account      TEXT    NOT NULL REFERENCES account (id),
    region       TEXT    NOT NULL,
    confirmed    INTEGER NOT NULL,
    confirmed_by TEXT    NOT NULL,
    -- When its approvers were reminded that the next confirmation is due.
    reminded     INTEGER,
    PRIMARY KEY (account, region)
);
CREATE INDEX account_region_confirmed ON account_region (confirmed);

-- Blocks. `reason` is sealed. One proposes that a block is lifted, another lifts it.
CREATE TABLE account_block (
    id          TEXT PRIMARY KEY,
    account     TEXT    NOT NULL REFERENCES account (id),
    blocked     INTEGER NOT NULL,
    blocked_by  TEXT    NOT NULL,
    reason      BLOB    NOT NULL,
    proposed    INTEGER,
    proposed_by TEXT,
    lifted      INTEGER,
    lifted_by   TEXT
);
CREATE UNIQUE INDEX account_block_open ON account_block (account) WHERE lifted IS NULL;
