-- What some models are sold by besides tokens and the units of the first version.
ALTER TABLE charges ADD COLUMN image_pixels BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN output_characters BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN annotated_pages BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN credits BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN maps_queries BIGINT DEFAULT 0;
ALTER TABLE charges ADD COLUMN sessions BIGINT DEFAULT 0;
