-- The ledger as SQL may rely on it. Amounts are DECIMAL(38, 12), moments TIMESTAMPTZ.

-- One row for each charge or adjustment. No PRIMARY KEY: it would halve the speed of
-- inserting, and each row is written once because the offsets below are committed in
-- the same transaction.
CREATE TABLE charges (
    kind VARCHAR NOT NULL,
    event_id UUID NOT NULL,
    occurred_at TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    source VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    project_id VARCHAR NOT NULL,
    session_id VARCHAR,
    conversation_id VARCHAR,
    endpoint VARCHAR,
    tags MAP(VARCHAR, VARCHAR) NOT NULL,
    text_input_tokens BIGINT NOT NULL,
    audio_input_tokens BIGINT NOT NULL,
    image_input_tokens BIGINT NOT NULL,
    video_input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_read_audio_tokens BIGINT NOT NULL,
    cache_read_image_tokens BIGINT NOT NULL,
    cache_write_5m_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    text_output_tokens BIGINT NOT NULL,
    audio_output_tokens BIGINT NOT NULL,
    image_output_tokens BIGINT NOT NULL,
    video_output_tokens BIGINT NOT NULL,
    reasoning_output_tokens BIGINT NOT NULL,
    image_count BIGINT NOT NULL,
    characters BIGINT NOT NULL,
    pages BIGINT NOT NULL,
    queries BIGINT NOT NULL,
    web_searches BIGINT NOT NULL,
    audio_seconds DECIMAL(38, 6) NOT NULL,
    video_seconds DECIMAL(38, 6) NOT NULL,
    usage_source VARCHAR NOT NULL,
    service_tier VARCHAR NOT NULL,
    input_cost_usd DECIMAL(38, 12),
    output_cost_usd DECIMAL(38, 12),
    cost_usd DECIMAL(38, 12),
    unpriced_reason VARCHAR,
    price_version VARCHAR NOT NULL,
    price_match VARCHAR,
    provider_cost_usd DECIMAL(38, 12),
    status VARCHAR NOT NULL,
    error_type VARCHAR,
    duration_ms BIGINT,
    response_model VARCHAR,
    response_id VARCHAR,
    api_key_hash VARCHAR,
    region VARCHAR,
    prompt_hash VARCHAR,
    trace_id VARCHAR,
    span_id VARCHAR,
    adjusts UUID,
    adjust_reason VARCHAR,
    source_partition INTEGER NOT NULL,
    source_offset BIGINT NOT NULL,
    source_position INTEGER NOT NULL
);

-- The small tables below hold one row a key; the sink, their only writer, sees to that.
CREATE TABLE alerts (
    alert_id UUID NOT NULL,
    raised_at TIMESTAMPTZ NOT NULL,
    budget_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    period VARCHAR NOT NULL,
    period_start TIMESTAMPTZ,
    period_end TIMESTAMPTZ,
    threshold_percent INTEGER NOT NULL,
    limit_usd DECIMAL(38, 12) NOT NULL,
    spent_usd DECIMAL(38, 12) NOT NULL
);

-- The latest definition of each budget; a removed one keeps its last definition.
CREATE TABLE budgets (
    budget_id VARCHAR NOT NULL,
    scope MAP(VARCHAR, VARCHAR),
    period VARCHAR,
    time_zone VARCHAR,
    limit_usd DECIMAL(38, 12),
    thresholds_percent INTEGER[],
    defined_at TIMESTAMPTZ,
    removed_at TIMESTAMPTZ
);

CREATE TABLE budget_status (
    status_key VARCHAR NOT NULL,
    budget_id VARCHAR NOT NULL,
    subject_kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    period VARCHAR NOT NULL,
    period_start TIMESTAMPTZ,
    period_end TIMESTAMPTZ,
    limit_usd DECIMAL(38, 12) NOT NULL,
    spent_usd DECIMAL(38, 12) NOT NULL,
    remaining_usd DECIMAL(38, 12) NOT NULL,
    state VARCHAR NOT NULL,
    calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL
);

CREATE TABLE dead_letters (
    dead_letter_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    detail VARCHAR NOT NULL,
    origin_topic VARCHAR NOT NULL,
    origin_partition INTEGER NOT NULL,
    origin_offset BIGINT NOT NULL,
    origin_position INTEGER,
    recorded_at TIMESTAMPTZ NOT NULL,
    payload BLOB NOT NULL
);

CREATE TABLE price_versions (
    price_version VARCHAR NOT NULL,
    effective_from TIMESTAMPTZ NOT NULL,
    source VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL,
    models BIGINT NOT NULL
);

-- Internal: how far each partition has been consumed, committed with its rows.
-- `source_offset` is the largest usage offset whose charges are in (charges only).
CREATE TABLE consumed_offsets (
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    source_offset BIGINT
);

-- Internal: records of our own topics that could not be decoded, kept to be looked at.
CREATE TABLE undecodable_records (
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    record_offset BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    payload BLOB
);
