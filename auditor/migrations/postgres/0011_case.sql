-- Applications of people without an account: how they find theirs again, and from which device it came. Of the secret code only
-- a hash is kept, together with the number.

CREATE TABLE request_case (
    request TEXT PRIMARY KEY REFERENCES request (id),
    number  TEXT    NOT NULL UNIQUE,
    kept    TEXT    NOT NULL UNIQUE,
    device  TEXT    NOT NULL,
    created BIGINT  NOT NULL
);
CREATE INDEX request_case_device ON request_case (device, created);
