-- What an account was before, for when that ends. Of a lock: since when it was active, or handed out.
ALTER TABLE account ADD COLUMN state_held BIGINT;

-- Of a block: all of the state. Blocks from before this have none.
ALTER TABLE account_block ADD COLUMN before TEXT;
ALTER TABLE account_block ADD COLUMN before_at BIGINT;
ALTER TABLE account_block ADD COLUMN before_until BIGINT;
ALTER TABLE account_block ADD COLUMN before_held BIGINT;
