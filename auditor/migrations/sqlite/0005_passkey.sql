-- Passkeys. The id is SHA-256 of the one that the authenticator gave; the public half rests sealed, bound to id and
-- account.
CREATE TABLE passkey (
    id         TEXT PRIMARY KEY,
    account    TEXT    NOT NULL REFERENCES account (id),
    credential BLOB    NOT NULL,
    name       TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    last_used  INTEGER,
    ended      INTEGER
);
CREATE INDEX passkey_account ON passkey (account) WHERE ended IS NULL;

-- Questions that have been answered, until nobody would take the answer again anyway.
CREATE TABLE passkey_answered (
    question TEXT PRIMARY KEY,
    until    INTEGER NOT NULL
);
CREATE INDEX passkey_answered_until ON passkey_answered (until);
