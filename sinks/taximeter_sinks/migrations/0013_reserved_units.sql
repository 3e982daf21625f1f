-- What is promised to calls under limits in tokens or calls; NULL in rows from before.
ALTER TABLE budget_status ADD COLUMN reserved_tokens BIGINT;
ALTER TABLE budget_status ADD COLUMN reserved_calls BIGINT;
