-- Of which node the events are: all programs that share this database are one in the audit log.
ALTER TABLE auth_event_head ADD COLUMN node TEXT;

-- Who does scheduled work. A holder counts up; one that has stopped counting is replaced.
CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder TEXT    NOT NULL,
    beat   INTEGER NOT NULL
);
