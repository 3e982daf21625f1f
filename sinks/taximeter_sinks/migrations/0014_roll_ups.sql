-- Sums that reports are made of, beside the charges: a row, a cell, for each stretch of
-- time, numbered from 1970 in UTC, and each value of what is told apart. Whoever writes
-- charges adds them to their cells in the same transaction. What is NULL for a sum over
-- nothing stands as 0 here: `priced`, `listed` and `marked` say how many rows have it.
CREATE TABLE spend_by_quarter (
    quarter BIGINT NOT NULL,
    cost_usd DECIMAL(38, 12) NOT NULL,
    priced BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    list_cost_usd DECIMAL(38, 12) NOT NULL,
    listed BIGINT NOT NULL,
    markup_usd DECIMAL(38, 12) NOT NULL,
    marked BIGINT NOT NULL,
    unlisted_calls BIGINT NOT NULL
);
CREATE TABLE spend_by_model (
    hour BIGINT NOT NULL,
    provider VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    cost_usd DECIMAL(38, 12) NOT NULL,
    priced BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    list_cost_usd DECIMAL(38, 12) NOT NULL,
    listed BIGINT NOT NULL,
    markup_usd DECIMAL(38, 12) NOT NULL,
    marked BIGINT NOT NULL,
    unlisted_calls BIGINT NOT NULL
);
CREATE TABLE spend_by_project (
    hour BIGINT NOT NULL,
    project_id VARCHAR NOT NULL,
    cost_usd DECIMAL(38, 12) NOT NULL,
    priced BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    list_cost_usd DECIMAL(38, 12) NOT NULL,
    listed BIGINT NOT NULL,
    markup_usd DECIMAL(38, 12) NOT NULL,
    marked BIGINT NOT NULL,
    unlisted_calls BIGINT NOT NULL
);
CREATE TABLE spend_by_user (
    four_weeks BIGINT NOT NULL,
    user_id VARCHAR NOT NULL,
    cost_usd DECIMAL(38, 12) NOT NULL,
    priced BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    list_cost_usd DECIMAL(38, 12) NOT NULL,
    listed BIGINT NOT NULL,
    markup_usd DECIMAL(38, 12) NOT NULL,
    marked BIGINT NOT NULL,
    unlisted_calls BIGINT NOT NULL
);

INSERT INTO spend_by_quarter
SELECT
    epoch_us(occurred_at) // 900000000 AS quarter,
    coalesce(sum(cost_usd), 0),
    count(cost_usd),
    count(*) FILTER (kind = 'charge'),
    count(*) FILTER (kind = 'charge' AND cost_usd IS NULL) - count(old_unpriced_reason),
    sum(input_tokens),
    sum(output_tokens),
    coalesce(sum(list_cost_usd), 0),
    count(list_cost_usd),
    coalesce(sum(cost_usd - list_cost_usd), 0),
    count(cost_usd - list_cost_usd),
    count(*) FILTER (list_cost_usd IS NULL AND cost_usd IS NOT NULL)
FROM charges GROUP BY ALL ORDER BY 1;

INSERT INTO spend_by_model
SELECT
    epoch_us(occurred_at) // 3600000000 AS hour,
    provider,
    model,
    coalesce(sum(cost_usd), 0),
    count(cost_usd),
    count(*) FILTER (kind = 'charge'),
    count(*) FILTER (kind = 'charge' AND cost_usd IS NULL) - count(old_unpriced_reason),
    sum(input_tokens),
    sum(output_tokens),
    coalesce(sum(list_cost_usd), 0),
    count(list_cost_usd),
    coalesce(sum(cost_usd - list_cost_usd), 0),
    count(cost_usd - list_cost_usd),
    count(*) FILTER (list_cost_usd IS NULL AND cost_usd IS NOT NULL)
FROM charges GROUP BY ALL ORDER BY 1;

INSERT INTO spend_by_project
SELECT
    epoch_us(occurred_at) // 3600000000 AS hour,
    project_id,
    coalesce(sum(cost_usd), 0),
    count(cost_usd),
    count(*) FILTER (kind = 'charge'),
    count(*) FILTER (kind = 'charge' AND cost_usd IS NULL) - count(old_unpriced_reason),
    sum(input_tokens),
    sum(output_tokens),
    coalesce(sum(list_cost_usd), 0),
    count(list_cost_usd),
    coalesce(sum(cost_usd - list_cost_usd), 0),
    count(cost_usd - list_cost_usd),
    count(*) FILTER (list_cost_usd IS NULL AND cost_usd IS NOT NULL)
FROM charges GROUP BY ALL ORDER BY 1;

INSERT INTO spend_by_user
SELECT
    epoch_us(occurred_at) // 2419200000000 AS four_weeks,
    user_id,
    coalesce(sum(cost_usd), 0),
    count(cost_usd),
    count(*) FILTER (kind = 'charge'),
    count(*) FILTER (kind = 'charge' AND cost_usd IS NULL) - count(old_unpriced_reason),
    sum(input_tokens),
    sum(output_tokens),
    coalesce(sum(list_cost_usd), 0),
    count(list_cost_usd),
    coalesce(sum(cost_usd - list_cost_usd), 0),
    count(cost_usd - list_cost_usd),
    count(*) FILTER (list_cost_usd IS NULL AND cost_usd IS NOT NULL)
FROM charges GROUP BY ALL ORDER BY 1;

