-- Codes by which the listener for SITHS cards hands over to the login whom it has seen. Each is good once, for a minute, in the
-- browser whose login has the state. Of a code there is a hash only.
CREATE TABLE siths_code (
    code   TEXT PRIMARY KEY,
    state  TEXT NOT NULL,
    hsa    TEXT NOT NULL,
    level  TEXT NOT NULL,
    note   TEXT NOT NULL,
    until  INTEGER NOT NULL,
    spent  INTEGER
);
CREATE INDEX siths_code_until ON siths_code (until);
