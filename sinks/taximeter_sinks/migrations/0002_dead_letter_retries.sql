-- Dead letters that were retried. What was kept and what became of it arrive as two
-- events, in any order and more than once; each has a table of its own, so that neither
-- has to wait for the other, and `dead_letters` is a view over both.
ALTER TABLE dead_letters RENAME TO kept_dead_letters;

CREATE TABLE dead_letter_retries (
    dead_letter_id VARCHAR NOT NULL,
    event_ids UUID[] NOT NULL,
    corrected BOOLEAN NOT NULL,
    retried_at TIMESTAMPTZ NOT NULL
);

-- `retried_at` is NULL for a letter that is still open.
CREATE VIEW dead_letters AS
SELECT
    kept.dead_letter_id,
    kept.reason,
    kept.detail,
    kept.origin_topic,
    kept.origin_partition,
    kept.origin_offset,
    kept.origin_position,
    kept.recorded_at,
    kept.payload,
    retries.retried_at
FROM kept_dead_letters AS kept
LEFT JOIN dead_letter_retries AS retries USING (dead_letter_id);
