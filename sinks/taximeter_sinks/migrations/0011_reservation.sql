-- Which reservation a call's charge took the place of, if it had one.
ALTER TABLE charges ADD COLUMN reservation_id UUID;
