-- Emergency access (nödöppning): who opened whom, why, and who has seen it. Rows stay.
CREATE TABLE emergency_opening (
    id          TEXT PRIMARY KEY,
    -- The request that was refused: a ticket opens once.
    request     TEXT    NOT NULL UNIQUE,
    account     TEXT    NOT NULL REFERENCES account (id),
    session     TEXT    NOT NULL,
    registry    TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    -- A pseudonym.
    patient     TEXT    NOT NULL,
    -- From which the user acted, and which the request named; empty: none.
    unit        TEXT    NOT NULL,
    unit_asked  TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    -- Sealed.
    words       BYTEA   NOT NULL,
    opened      BIGINT NOT NULL,
    over_at     BIGINT NOT NULL,
    seen        BIGINT,
    seen_by     TEXT
);
CREATE INDEX emergency_opening_account ON emergency_opening (account, over_at);
CREATE INDEX emergency_opening_over ON emergency_opening (over_at);
CREATE INDEX emergency_opening_opened ON emergency_opening (opened, id);
CREATE INDEX emergency_opening_unseen ON emergency_opening (opened) WHERE seen IS NULL;
