-- Who has to accept the security instructions before any registry is open to them.
ALTER TABLE account ADD COLUMN instructions_due INTEGER NOT NULL DEFAULT 0;
