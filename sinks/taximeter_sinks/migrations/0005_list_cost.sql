-- What the published list says of a charge, which own prices and mark-ups make differ.
-- Until now nothing did: what was charged is what the list said.
ALTER TABLE charges ADD COLUMN list_cost_usd DECIMAL(38, 12);
UPDATE charges SET list_cost_usd = cost_usd;
