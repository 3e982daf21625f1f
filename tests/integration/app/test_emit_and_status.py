"""`taximeter emit` and `taximeter status` against a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from taximeter.broker.admin import end_offsets, ensure_topics, waiting
from taximeter.broker.topic_io import read_topic
from taximeter.cli import main
from taximeter.state import DataDir, Presence
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.records import encode_event
from taximeter_schemas.topics import Topics
from tests.builders import a_usage, a_usage_not_understood

Captured = pytest.CaptureFixture[str]


def _run(bootstrap: str, topics: Topics, *arguments: str) -> int:
    command = [*arguments, "--bootstrap", bootstrap, "--prefix", topics.prefix]
    with pytest.raises(SystemExit) as ended:
        main(command)
    return int(ended.value.code or 0)


def _file(path: Path, lines: Sequence[bytes]) -> str:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)


def test_what_is_accepted_is_in_kafka(
    bootstrap: str, topics: Topics, tmp_path: Path, capsys: Captured
) -> None:
    """Every valid line is counted and is in Kafka; blank lines are no events."""
    lines = [encode_event(a_usage(occurred_at="2026-01-01T00:00:00Z"))] * 3
    file = _file(tmp_path / "events", [lines[0], b"", *lines[1:]])
    assert _run(bootstrap, topics, "emit", file, "--format", "json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"accepted": 3, "rejected": 0}
    assert captured.err == ""
    loop = asyncio.new_event_loop()
    try:
        ends = loop.run_until_complete(end_offsets(bootstrap, [topics.usage]))
    finally:
        loop.close()
    assert sum(ends[topics.usage.name]) > 0


def test_a_usage_that_was_not_understood_is_sent(
    bootstrap: str, topics: Topics, tmp_path: Path, capsys: Captured
) -> None:
    """A worker is to keep it as a dead letter, so it is accepted like an event."""
    lines = [encode_event(a_usage_not_understood(occurred_at="2026-01-01T00:00:00Z"))]
    file = _file(tmp_path / "events", lines)
    assert _run(bootstrap, topics, "emit", file, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"accepted": 1, "rejected": 0}
    (record,) = asyncio.run(read_topic(bootstrap, topics.usage))
    assert json.loads(record.value or b"") == [json.loads(lines[0])]


def test_with_a_spool_kafka_may_be_away(
    bootstrap: str, topics: Topics, tmp_path: Path, capsys: Captured
) -> None:
    """What was accepted without Kafka is sent by the next run that has it."""
    lines = [encode_event(a_usage(occurred_at="2026-01-01T00:00:00Z"))] * 3
    file = _file(tmp_path / "events", lines)
    spooling = ("emit", file, "--spool", str(tmp_path / "spool"), "--format", "json")
    assert _run("127.0.0.1:1", topics, *spooling) == 0
    captured = capsys.readouterr()
    counts = {"accepted": 3, "rejected": 0, "spooled": 3}
    assert json.loads(captured.out) == counts
    assert "events are kept in" in captured.err
    assert _run(bootstrap, topics, *spooling) == 0
    assert json.loads(capsys.readouterr().out) == counts | {"spooled": 0}
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{broken", "line 1: not_json: "),
        (b"7", "line 1: not_an_event: "),
        (b'{"schema_version": 9}', "line 1: unknown_schema_version: "),
        (b"{}", "line 1: invalid_event: event_id: Field required"),
        (b'"' + b"x" * 2_000_000 + b'"', "line 1: too_large: a line has at most"),
    ],
)
def test_what_is_rejected_is_told(
    line: bytes,
    words: str,
    bootstrap: str,
    topics: Topics,
    tmp_path: Path,
    capsys: Captured,
) -> None:
    """A line that is no event is told with its number and why; the others go."""
    good = encode_event(a_usage(occurred_at="2026-01-01T00:00:00Z"))
    file = _file(tmp_path / "events", [line, good])
    assert _run(bootstrap, topics, "emit", file, "--format", "json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"accepted": 1, "rejected": 1}
    assert captured.err.startswith(words)
    assert captured.err.count("\n") == 1


def test_many_rejections_are_summed_up(
    bootstrap: str, topics: Topics, tmp_path: Path, capsys: Captured
) -> None:
    """The first twenty are told, the rest are counted."""
    file = _file(tmp_path / "events", [b"{"] * 33)
    assert _run(bootstrap, topics, "emit", file) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 21
    assert told[-1] == "… and 13 more were rejected"


def test_status_of_nothing(
    bootstrap: str, topics: Topics, tmp_path: Path, capsys: Captured
) -> None:
    """With everything stopped each part is shown as not running."""
    data = ("--data", str(tmp_path), "--format", "json")
    assert _run(bootstrap, topics, "status", *data) == 0
    status = json.loads(capsys.readouterr().out)
    assert [part["name"] for part in status["parts"]] == [
        *("broker", "worker-1", "sink", "api")
    ]
    assert not any(part["running"] for part in status["parts"])
    assert status["kafka_answers"]
    assert status["lag"]["usage"] == {"0": 0, "1": 0, "2": 0, "3": 0}
    assert status["dead_letters"] == status["dead_letters_open"] == 0


def test_status_knows_how_far_a_worker_is_behind(
    bootstrap: str, topics: Topics, tmp_path: Path, capsys: Captured
) -> None:
    """Lag is what lies behind the worker's progress; unknown is null, never 0."""
    event = a_usage(occurred_at="2026-01-01T00:00:00Z")
    file = _file(tmp_path / "events", [encode_event(event)])
    _run(bootstrap, topics, "emit", file)
    capsys.readouterr()
    data = DataDir(tmp_path / "data")
    arguments = ("status", "--data", str(data.path), "--format", "json")
    with Presence(data, "worker-1", bootstrap, ManualClock()) as worker:
        worker.ready()
        _run(bootstrap, topics, *arguments)
        unknown = json.loads(capsys.readouterr().out)["lag"]["usage"]
        assert sorted(map(str, unknown.values())) == ["0", "0", "0", "None"]
        worker.report(progress=dict.fromkeys(range(4), 0))
        _run(bootstrap, topics, *arguments)
        status = json.loads(capsys.readouterr().out)
    assert sum(status["lag"]["usage"].values()) == 1
    assert status["parts"][1]["running"]


def test_status_shows_what_grows(
    bootstrap: str, topics: Topics, tmp_path: Path, capsys: Captured
) -> None:
    """Memory, remembered ids, rows, what is on its way; of a worker its own lag."""
    data = DataDir(tmp_path)
    arguments = ("status", "--data", str(data.path))
    own_lag = {topics.usage.name: {"1": 0, "3": 0}}
    emitter = {"pending_events": 5, "pending_bytes": 3000, "spool_events": 7}
    with (
        Presence(data, "worker-2", bootstrap, ManualClock()) as worker,
        Presence(data, "api", bootstrap, ManualClock()) as api,
    ):
        worker.report(progress={"1": 0, "3": 0}, lag=own_lag)
        worker.report(remembered_ids=1200, spend_rows=30)
        api.report(emitter=emitter)
        _run(bootstrap, topics, *arguments)
        table = capsys.readouterr().out.splitlines()
        _run(bootstrap, topics, *arguments, "--format", "json")
        parts = {p["name"]: p for p in json.loads(capsys.readouterr().out)["parts"]}
    (row,) = (line for line in table if line.startswith("worker-2"))
    assert "1:0 3:0" in row
    assert "1,200 ids, 30 rows" in row
    (row,) = (line for line in table if line.startswith("api"))
    assert "5 events, 3,000 bytes, 7 on disk" in row
    assert parts["worker-2"]["lag"] == own_lag
    assert parts["worker-2"]["memory_bytes"] > 1024 * 1024
    assert parts["api"]["facts"] == {"emitter": emitter}
    assert (parts["sink"]["lag"], parts["sink"]["memory_bytes"]) == (None, None)


async def test_a_transaction_s_end_is_no_record(bootstrap: str, topics: Topics) -> None:
    """What a transaction leaves behind the last record is not counted as waiting."""
    from aiokafka import AIOKafkaProducer

    await ensure_topics(bootstrap, topics)
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"{topics.prefix}writer"
    ) as producer:
        for _ in range(2):
            async with producer.transaction():
                await producer.send_and_wait(topics.charges.name, b"[]", partition=0)
    ends = await end_offsets(bootstrap, [topics.charges])
    assert ends[topics.charges.name][0] == 4
    assert await waiting(bootstrap, topics.charges, {0: 3}) == {0: 0, 1: 0, 2: 0, 3: 0}
    assert (await waiting(bootstrap, topics.charges, {0: 1}))[0] == 1
