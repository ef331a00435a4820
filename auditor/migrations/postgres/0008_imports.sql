-- What other systems tell of people and units. Times are the first moment of a day, in UTC; an end is the day after the last.

-- Until when people are employed; without an end it goes on. An account ends with the employment of its user.
CREATE TABLE employment (
    hsa      TEXT PRIMARY KEY,
    over_at  BIGINT,
    imported BIGINT NOT NULL
);
CREATE INDEX employment_over ON employment (over_at);
CREATE INDEX account_hsa ON account (hsa);

CREATE TABLE care_unit (
    hsa        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    provider   TEXT    NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to   BIGINT,
    imported   BIGINT NOT NULL,
    PRIMARY KEY (hsa, valid_from)
);

-- Who works where.
CREATE TABLE assignment (
    hsa        TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to   BIGINT,
    imported   BIGINT NOT NULL,
    PRIMARY KEY (hsa, unit, valid_from)
);
