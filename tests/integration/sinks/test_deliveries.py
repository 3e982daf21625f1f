"""The delivery log in the ledger: the latest word on each alert and route."""

from __future__ import annotations

from pathlib import Path

from taximeter_schemas.deliveries import AlertDelivered, AlertRouted, AlertsRead
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.builders import NOON, an_id

TOPICS = Topics()


def _record(event: AlertRouted | AlertDelivered | AlertsRead, offset: int) -> RawRecord:
    value = event.model_dump_json().encode()
    return RawRecord(TOPICS.deliveries.name, 0, offset, event.key, value)


async def test_a_delivery_is_one_row_with_its_latest_state(tmp_path: Path) -> None:
    """It waits, then it is delivered; how far was read is no row."""
    sink = DuckDBSink(tmp_path / "ledger.duckdb", TOPICS)
    routed = AlertRouted(
        event_type="AlertRouted",
        alert_id=an_id("a"),
        route="ops",
        routed_at=NOON,
        alert_partition=0,
        alert_offset=0,
        alert="{}",
    )
    read = AlertsRead(event_type="AlertsRead", partition=0, next_offset=1, read_at=NOON)
    delivered = AlertDelivered(
        event_type="AlertDelivered",
        alert_id=an_id("a"),
        route="ops",
        message_id=an_id("m"),
        attempts=1,
        delivered_at=NOON,
    )
    query = "SELECT route, state, attempts, message_id, reason FROM deliveries"
    try:
        sink.add([_record(routed, 0), _record(read, 1)])
        await sink.flush()
        waiting = sink.ledger.execute(query).fetchall()
        sink.add([_record(delivered, 2)])
        flushed = await sink.flush()
        settled = sink.ledger.execute(query).fetchall()
    finally:
        sink.close()

    assert waiting == [("ops", "waiting", 0, None, None)]
    assert settled == [("ops", "delivered", 1, an_id("m"), None)]
    assert flushed.undecodable == 0
