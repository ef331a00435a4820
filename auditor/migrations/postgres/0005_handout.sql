-- Credentials handed out in two halves, and which security instructions were accepted. Of the halves only keyed hashes are
-- kept; the clear text of one rests sealed until it has gone out.

CREATE TABLE handout (
    id           TEXT PRIMARY KEY,
    account      TEXT    NOT NULL REFERENCES account (id),
    -- The executed form 1 that addresses and numbers come from.
    form         TEXT    NOT NULL REFERENCES request (id),
    purpose      TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    state_at     BIGINT  NOT NULL,
    issued       BIGINT  NOT NULL,
    issued_by    TEXT    NOT NULL,
    tries        BIGINT  NOT NULL,
    -- Who has shown both halves: SHA-256 of their token, on which device, until when, and the second factor that they are
    -- shown, sealed.
    opened       TEXT,
    opened_on    TEXT,
    opened_until BIGINT,
    totp         BYTEA
);
CREATE UNIQUE INDEX handout_open ON handout (account) WHERE state = 'open';
CREATE UNIQUE INDEX handout_opened ON handout (opened) WHERE opened IS NOT NULL;
CREATE INDEX handout_issued ON handout (issued);

-- The print queue, the queue of text messages and the list of calls to make are the halves of that channel.
CREATE TABLE handout_half (
    handout  TEXT    NOT NULL REFERENCES handout (id),
    part     TEXT    NOT NULL,
    channel  TEXT    NOT NULL,
    stage    TEXT    NOT NULL,
    stage_at BIGINT  NOT NULL,
    kept     TEXT    NOT NULL,
    clear    BYTEA,
    -- Until when it is good, once it has gone out.
    until    BIGINT,
    -- One way by one channel; what a provider's callback names.
    message  TEXT    NOT NULL UNIQUE,
    provider TEXT,
    tries    BIGINT  NOT NULL,
    next_try BIGINT,
    PRIMARY KEY (handout, part)
);
CREATE UNIQUE INDEX handout_half_id ON handout_half (kept) WHERE part = 'id';
CREATE INDEX handout_half_due ON handout_half (next_try) WHERE stage = 'queued';

CREATE TABLE instructions_accepted (
    account  TEXT    NOT NULL REFERENCES account (id),
    version  BIGINT  NOT NULL,
    accepted BIGINT  NOT NULL,
    PRIMARY KEY (account, version)
);
