-- Token classes that newer price lists tell apart, and what a caller chose besides the
-- model where the price depends on it.
ALTER TABLE charges ADD COLUMN cache_read_explicit_tokens BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN cache_write_12h_tokens BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN citation_tokens BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN text_messages BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN image_size VARCHAR;
ALTER TABLE charges ADD COLUMN image_quality VARCHAR;
ALTER TABLE charges ADD COLUMN video_resolution VARCHAR;
ALTER TABLE charges ADD COLUMN search_context_size VARCHAR;
ALTER TABLE charges ADD COLUMN max_results BIGINT;
