-- What an account was before, for when that ends. Of a lock: since when it was active, or handed out.
ALTER TABLE account ADD COLUMN state_held BIGINT;
