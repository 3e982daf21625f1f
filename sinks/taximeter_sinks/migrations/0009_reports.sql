-- The questions that people ask, as views and macros. Columns are named one by one: a
-- view over * would break with the next column of charges.

-- Charges and adjustments with sums that add up whatever they are grouped by:
-- sum(cost_usd), sum(calls), sum(unpriced_calls), sum(input_tokens), sum(output_tokens).
CREATE VIEW spend AS
SELECT
    kind, event_id, occurred_at, recorded_at, source, provider, model, operation,
    user_id, project_id, session_id, conversation_id, endpoint, tags, service_tier,
    status, prompt_hash, duration_ms, price_version, adjusts,
    cost_usd, list_cost_usd,
    (kind = 'charge')::BIGINT AS calls,
    (kind = 'charge' AND cost_usd IS NULL)::BIGINT
        - (old_unpriced_reason IS NOT NULL)::BIGINT AS unpriced_calls,
    text_input_tokens + audio_input_tokens + image_input_tokens + video_input_tokens
        + cache_read_tokens + cache_read_audio_tokens + cache_read_image_tokens
        + cache_write_5m_tokens + cache_write_1h_tokens
        + coalesce(cache_read_explicit_tokens, 0) + coalesce(cache_write_12h_tokens, 0)
        + coalesce(citation_tokens, 0) AS input_tokens,
    text_output_tokens + audio_output_tokens + image_output_tokens
        + video_output_tokens + reasoning_output_tokens AS output_tokens
FROM charges;

-- One row a call: what it cost and used with all that was added to it since. cost_usd
-- is NULL for a call that has no price by now.
CREATE VIEW calls AS
SELECT
    c.event_id, c.occurred_at, c.source, c.provider, c.model, c.operation, c.user_id,
    c.project_id, c.session_id, c.conversation_id, c.endpoint, c.tags, c.service_tier,
    c.status, c.prompt_hash, c.duration_ms,
    CASE WHEN later.cost_usd IS NULL THEN c.cost_usd
        ELSE (coalesce(c.cost_usd, 0) + later.cost_usd)::DECIMAL(38, 12)
    END AS cost_usd,
    c.cost_usd AS charged_usd,
    c.input_tokens + coalesce(later.input_tokens, 0)::BIGINT AS input_tokens,
    c.output_tokens + coalesce(later.output_tokens, 0)::BIGINT AS output_tokens
FROM spend AS c
LEFT JOIN (
    SELECT adjusts, sum(cost_usd) AS cost_usd, sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens
    FROM spend WHERE adjusts IS NOT NULL GROUP BY adjusts
) AS later ON later.adjusts = c.event_id
WHERE c.kind = 'charge';

-- Spend by 'user', 'model', 'project', 'provider', 'session', 'conversation',
-- 'endpoint', 'source', 'status' or 'tag:NAME', over [since, until).
CREATE MACRO spend_by(
    dimension,
    since := TIMESTAMPTZ '-infinity',
    until := TIMESTAMPTZ 'infinity'
) AS TABLE
SELECT
    CASE dimension
        WHEN 'user' THEN user_id WHEN 'model' THEN model WHEN 'project' THEN project_id
        WHEN 'provider' THEN provider WHEN 'session' THEN session_id
        WHEN 'conversation' THEN conversation_id WHEN 'endpoint' THEN endpoint
        WHEN 'source' THEN source WHEN 'status' THEN status
        ELSE CASE WHEN starts_with(dimension, 'tag:') THEN tags[substr(dimension, 5)]
            ELSE error('no such dimension: ' || dimension) END
    END AS name,
    sum(cost_usd) AS cost_usd,
    sum(calls)::BIGINT AS calls,
    sum(unpriced_calls)::BIGINT AS unpriced_calls,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens
FROM spend
WHERE occurred_at >= since AND occurred_at < until
GROUP BY 1
ORDER BY 2 DESC NULLS LAST, 1;

-- Spend by 'hour', 'day', 'week', 'month', 'quarter' or 'year' of a time zone. Moments
-- are put into the zone once a quarter of an hour, not once a row.
CREATE MACRO spend_by_period(
    period,
    zone := 'UTC',
    since := TIMESTAMPTZ '-infinity',
    until := TIMESTAMPTZ 'infinity'
) AS TABLE
SELECT
    date_trunc(period, timezone(zone, to_timestamp(quarter * 900))) AS starts_at,
    sum(cost_usd) AS cost_usd,
    sum(calls)::BIGINT AS calls,
    sum(unpriced_calls)::BIGINT AS unpriced_calls,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens
FROM (
    SELECT
        epoch_us(occurred_at) // 900000000 AS quarter,
        sum(cost_usd) AS cost_usd,
        sum(calls) AS calls,
        sum(unpriced_calls) AS unpriced_calls,
        sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens
    FROM spend
    WHERE occurred_at >= since AND occurred_at < until
    GROUP BY 1
)
GROUP BY 1
ORDER BY 1;

-- What a call with a price costs, by provider and model. A quantile is what one of the
-- calls did cost, none in between.
CREATE MACRO cost_of_a_call(
    since := TIMESTAMPTZ '-infinity',
    until := TIMESTAMPTZ 'infinity'
) AS TABLE
SELECT
    provider,
    model,
    count(cost_usd) AS priced_calls,
    quantile_disc(cost_usd, 0.5) AS median_usd,
    quantile_disc(cost_usd, 0.95) AS p95_usd,
    max(cost_usd) AS dearest_usd
FROM calls
WHERE occurred_at >= since AND occurred_at < until
GROUP BY 1, 2
ORDER BY 4 DESC NULLS LAST, 1, 2;

-- The dearest calls.
CREATE MACRO expensive_calls(
    since := TIMESTAMPTZ '-infinity',
    until := TIMESTAMPTZ 'infinity'
) AS TABLE
SELECT cost_usd, occurred_at, user_id, project_id, provider, model, endpoint,
    conversation_id, input_tokens, output_tokens, event_id
FROM calls
WHERE occurred_at >= since AND occurred_at < until AND cost_usd IS NOT NULL
ORDER BY cost_usd DESC, occurred_at, event_id;

-- Prompts that one model was sent more than once; repeats_usd is what all of these
-- calls but the first did cost.
CREATE MACRO repeated_prompts(
    since := TIMESTAMPTZ '-infinity',
    until := TIMESTAMPTZ 'infinity'
) AS TABLE
SELECT
    prompt_hash,
    provider,
    model,
    count(*) AS calls,
    sum(cost_usd) AS cost_usd,
    sum(cost_usd) - arg_min(cost_usd, (occurred_at, event_id)) AS repeats_usd
FROM calls
WHERE occurred_at >= since AND occurred_at < until
    AND prompt_hash IS NOT NULL AND cost_usd IS NOT NULL
GROUP BY 1, 2, 3
HAVING count(*) > 1
ORDER BY 6 DESC, 1, 2, 3;
