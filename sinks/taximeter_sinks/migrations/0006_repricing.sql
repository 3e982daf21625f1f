-- What a re-pricing says: which version it took the place of, for whom, and why there was
-- no price before, if there was none. All NULL for charges and corrections.
ALTER TABLE charges ADD COLUMN old_price_version VARCHAR;
ALTER TABLE charges ADD COLUMN old_unpriced_reason VARCHAR;
ALTER TABLE charges ADD COLUMN adjusted_by VARCHAR;
