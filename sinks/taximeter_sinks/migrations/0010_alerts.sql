-- Every kind of alert. What only one kind says is in `event`, which is all of it; rows
-- from before are of thresholds, and have none.
ALTER TABLE alerts ADD COLUMN event_type VARCHAR;
ALTER TABLE alerts ADD COLUMN event JSON;
UPDATE alerts SET event_type = 'BudgetThresholdCrossed';
ALTER TABLE alerts ALTER COLUMN budget_id DROP NOT NULL;
ALTER TABLE alerts ALTER COLUMN period DROP NOT NULL;
ALTER TABLE alerts ALTER COLUMN threshold_percent DROP NOT NULL;
ALTER TABLE alerts ALTER COLUMN spent_usd DROP NOT NULL;
