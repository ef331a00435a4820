-- When a second factor was last shown in a session to sign with, and by which means.
ALTER TABLE session ADD COLUMN factor_at INTEGER;
ALTER TABLE session ADD COLUMN factor TEXT;
