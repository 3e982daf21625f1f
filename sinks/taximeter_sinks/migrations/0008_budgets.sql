-- Budgets with several dimensions, limits in tokens or calls, plans, and who set what.
ALTER TABLE budgets ADD COLUMN scope_kind VARCHAR;
ALTER TABLE budgets ADD COLUMN exceptions VARCHAR[];
ALTER TABLE budgets ADD COLUMN plan VARCHAR;
ALTER TABLE budgets ADD COLUMN starts_at TIMESTAMPTZ;
ALTER TABLE budgets ADD COLUMN ends_at TIMESTAMPTZ;
ALTER TABLE budgets ADD COLUMN limit_tokens BIGINT;
ALTER TABLE budgets ADD COLUMN limit_calls BIGINT;
ALTER TABLE budgets ADD COLUMN rollover VARCHAR[];
ALTER TABLE budgets ADD COLUMN alert_on_forecast BOOLEAN;
ALTER TABLE budgets ADD COLUMN on_exceeded VARCHAR;
ALTER TABLE budgets ADD COLUMN fallback_model VARCHAR;
ALTER TABLE budgets ADD COLUMN when_unknown VARCHAR;
ALTER TABLE budgets ADD COLUMN defined_by VARCHAR;
UPDATE budgets SET scope_kind = CASE
    WHEN cardinality(scope) = 0 THEN 'all' ELSE map_keys(scope)[1]
END WHERE scope IS NOT NULL;

ALTER TABLE budget_status ALTER COLUMN limit_usd DROP NOT NULL;
ALTER TABLE budget_status ALTER COLUMN remaining_usd DROP NOT NULL;
ALTER TABLE budget_status ADD COLUMN limit_tokens BIGINT;
ALTER TABLE budget_status ADD COLUMN limit_calls BIGINT;
ALTER TABLE budget_status ADD COLUMN reserved_usd DECIMAL(38, 12);
ALTER TABLE budget_status ADD COLUMN tokens BIGINT;

ALTER TABLE alerts ALTER COLUMN limit_usd DROP NOT NULL;
ALTER TABLE alerts ADD COLUMN limit_tokens BIGINT;
ALTER TABLE alerts ADD COLUMN limit_calls BIGINT;
ALTER TABLE alerts ADD COLUMN tokens BIGINT;
ALTER TABLE alerts ADD COLUMN calls BIGINT;
ALTER TABLE alerts ADD COLUMN late BOOLEAN;

-- Which plan each user is on; that of user '*' is for all others.
CREATE TABLE plan_assignments (
    user_id VARCHAR NOT NULL,
    plan VARCHAR,
    assigned_at TIMESTAMPTZ NOT NULL,
    assigned_by VARCHAR
);

-- Every change of a budget or a plan since the ledger is kept, with the whole event.
CREATE TABLE budget_changes (
    change_id VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    changed_by VARCHAR,
    change VARCHAR NOT NULL,
    budget_id VARCHAR,
    user_id VARCHAR,
    event JSON NOT NULL
);
