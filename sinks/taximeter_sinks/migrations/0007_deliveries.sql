-- The delivery log: what became of each alert on each of its routes, the latest word.
-- `state` is waiting, delivered or failed.
CREATE TABLE deliveries (
    delivery_id VARCHAR NOT NULL,
    alert_id UUID NOT NULL,
    route VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    attempts BIGINT NOT NULL,
    message_id UUID,
    reason VARCHAR
);
