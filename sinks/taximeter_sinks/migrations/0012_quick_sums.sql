-- Sums over many charges. An amount of 26 places before the point and 12 behind it takes
-- 16 bytes, which DuckDB unpacks and adds slowly; and tokens stood in 17 columns. So each
-- row says once more what is mostly added up, in 8 bytes: its tokens, and what it cost.
-- Only a usual row does, a call with a price below a million dollars that is what the
-- list says; any other is unusual, has 0 for usual_cost_usd, and is added up as it was.
--
-- Users and projects, by which most is grouped, stand in a dictionary. That can be said
-- only of a new table, so this one is made anew: about a minute for ten million rows.
CREATE TABLE new_charges (
    kind VARCHAR NOT NULL,
    event_id UUID NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    source VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL USING COMPRESSION dictionary,
    project_id VARCHAR NOT NULL USING COMPRESSION dictionary,
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
    source_position INTEGER NOT NULL,
    image_pixels BIGINT DEFAULT 0,
    output_characters BIGINT DEFAULT 0,
    annotated_pages BIGINT DEFAULT 0,
    credits BIGINT DEFAULT 0,
    maps_queries BIGINT DEFAULT 0,
    sessions BIGINT DEFAULT 0,
    cache_read_explicit_tokens BIGINT DEFAULT 0,
    cache_write_12h_tokens BIGINT DEFAULT 0,
    citation_tokens BIGINT DEFAULT 0,
    text_messages BIGINT DEFAULT 0,
    image_size VARCHAR,
    image_quality VARCHAR,
    video_resolution VARCHAR,
    search_context_size VARCHAR,
    max_results BIGINT,
    list_cost_usd DECIMAL(38, 12),
    old_price_version VARCHAR,
    old_unpriced_reason VARCHAR,
    adjusted_by VARCHAR,
    reservation_id UUID,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    unusual BOOLEAN NOT NULL,
    usual_cost_usd DECIMAL(18, 12) NOT NULL
);

INSERT INTO new_charges
SELECT
    * EXCLUDE (is_unusual),
    text_input_tokens + audio_input_tokens + image_input_tokens + video_input_tokens
        + cache_read_tokens + cache_read_audio_tokens + cache_read_image_tokens
        + cache_write_5m_tokens + cache_write_1h_tokens
        + coalesce(cache_read_explicit_tokens, 0) + coalesce(cache_write_12h_tokens, 0)
        + coalesce(citation_tokens, 0),
    text_output_tokens + audio_output_tokens + image_output_tokens
        + video_output_tokens + reasoning_output_tokens,
    is_unusual,
    CASE WHEN is_unusual THEN 0 ELSE cost_usd END
FROM (
    SELECT *, adjusts IS NOT NULL OR cost_usd IS NULL OR abs(cost_usd) >= 1000000
        OR list_cost_usd IS DISTINCT FROM cost_usd AS is_unusual
    FROM charges
);
DROP TABLE charges;
ALTER TABLE new_charges RENAME TO charges;
