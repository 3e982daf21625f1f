"""`taximeter dead-letters` on a real broker, without workers and without a ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from taximeter.broker.topic_io import publish, read_topic
from taximeter.cli import main
from taximeter_schemas.dead_letters import (
    DeadLetter,
    DeadLetterRetried,
    dead_letter_event_adapter,
)
from taximeter_schemas.records import (
    PACKED_HEADER,
    Fault,
    encode_event,
    packed,
    read_record,
    usage_partition,
)
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import ChargedEvent
from tests.builders import NOON, a_usage
from tests.lettering import a_letter

pytestmark = pytest.mark.broker

EARLIER = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What it printed for programs."""
        rows: list[dict[str, Any]] = json.loads(self.out)
        return rows


@dataclass(frozen=True)
class Installation:
    """Topics of this test's own, and the commands on them."""

    bootstrap: str
    topics: Topics
    data: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Done:
        """Run a command to its end."""
        where = ("--data", str(self.data), "--bootstrap", self.bootstrap)
        named = ("--prefix", self.topics.prefix, "--format", "json")
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *where, *named])
        captured = self.capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    def letters(self, *arguments: str) -> Done:
        """Run `taximeter dead-letters`."""
        return self.run("dead-letters", *arguments)

    def keep(self, *letters: DeadLetter) -> list[str]:
        """Put letters into their topic, as the workers do; return their keys."""
        records = [(one.key, one.model_dump_json().encode()) for one in letters]
        asyncio.run(publish(self.bootstrap, self.topics.dead_letters, records))
        return [one.key.decode() for one in letters]

    def notes(self) -> list[DeadLetterRetried]:
        """Return what was noted of letters."""
        found = asyncio.run(read_topic(self.bootstrap, self.topics.dead_letters))
        events = [
            dead_letter_event_adapter.validate_json(r.value or b"") for r in found
        ]
        return [one for one in events if isinstance(one, DeadLetterRetried)]

    def usage(self) -> list[ChargedEvent]:
        """Return the events in `usage`; each must stand in its own partition."""
        return asyncio.run(_usage(self.bootstrap, self.topics))


async def _usage(bootstrap: str, topics: Topics) -> list[ChargedEvent]:
    found: list[ChargedEvent] = []
    places = [TopicPartition(topics.usage.name, p) for p in range(topics.partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(at) < ends[at] for at in places]):
            for at, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    events = read_record(record.value, NOON)
                    _check_place(events, at.partition, topics.partitions)
                    found += [one for one in events if not isinstance(one, Fault)]
                    assert dict(record.headers)[PACKED_HEADER] == b"4"
    return found


def _check_place(
    events: Sequence[ChargedEvent | Fault], partition: int, partitions: int
) -> None:
    for event in events:
        assert not isinstance(event, Fault)
        assert usage_partition(event.event_id, partitions) == partition


@pytest.fixture
def here(
    bootstrap: str,
    topics: Topics,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Installation:
    """Give topics of this test's own."""
    return Installation(bootstrap, topics, tmp_path, capsys)


def test_what_can_be_read_now_is_sent_once(here: Installation) -> None:
    """All open letters are tried; list, status and topic know which of them went."""
    good = a_usage(occurred_at=EARLIER)
    read, dead = here.keep(a_letter(encode_event(good), 1), a_letter(offset=2))

    first = here.letters("retry", "--all")
    second = here.letters("retry", read)

    assert [(row["key"], row["outcome"]) for row in first.rows] == [
        (read, "retried"),
        (dead, "still_dead"),
    ]
    assert first.code == 1
    assert "there is no ledger here" in first.err
    assert first.err.endswith("1 retried, 1 still dead\n")
    assert (second.code, second.rows[0]["outcome"]) == (0, "retried_before")
    assert here.usage() == [good]
    assert [note.event_ids for note in here.notes()] == [(good.event_id,)]
    assert [row["key"] for row in here.letters("list", "--open").rows] == [dead]
    retried_at = {row["key"]: row["retried_at"] for row in here.letters("list").rows}
    assert retried_at == {read: here.notes()[0].retried_at.isoformat(), dead: None}
    status = json.loads(here.run("status").out)
    assert (status["dead_letters"], status["dead_letters_open"]) == (2, 1)


def test_again_sends_the_same_event(here: Installation) -> None:
    """Asked for, it goes once more, under the same id, and the note is renewed."""
    good = a_usage(occurred_at=EARLIER)
    (key,) = here.keep(a_letter(encode_event(good)))
    here.letters("retry", key)
    assert here.letters("retry", key, "--again").rows[0]["outcome"] == "retried"
    assert here.usage() == [good, good]
    assert len(here.notes()) == 2


def test_a_dry_run_leaves_no_trace(here: Installation) -> None:
    """It tells what would go, and both topics stay as they are."""
    (key,) = here.keep(a_letter(encode_event(a_usage(occurred_at=EARLIER))))
    done = here.letters("retry", key, "--dry-run")
    assert (done.code, done.rows[0]["outcome"]) == (0, "readable")
    assert (here.usage(), here.notes()) == ([], [])


def test_a_file_of_corrections(here: Installation, tmp_path: Path) -> None:
    """Each line goes in the place of its letter; a wrong one keeps its letter open."""
    one, two, untouched = here.keep(
        *(a_letter(offset=1), a_letter(offset=2), a_letter(offset=3))
    )
    fixed = a_usage(occurred_at=EARLIER)
    file = tmp_path / "fixed.ndjson"
    lines = [
        {"dead_letter_id": one, "event": json.loads(encode_event(fixed))},
        {"dead_letter_id": two, "event": {"model": "m"}},
        {"dead_letter_id": "nobody:0:0", "event": {}},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))

    done = here.letters("retry", "--file", str(file))

    assert done.code == 1
    assert [(row["key"], row["outcome"]) for row in done.rows] == [
        (one, "retried"),
        (two, "still_dead"),
        ("nobody:0:0", "not_found"),
    ]
    assert done.rows[1]["reason"] == "invalid_event"
    assert here.usage() == [fixed]
    assert [note.corrected for note in here.notes()] == [True]
    still_open = {row["key"] for row in here.letters("list", "--open").rows}
    assert still_open == {two, untouched}


def test_a_correction_without_an_id(here: Installation) -> None:
    """It gets one, and a second retry gives it the same."""
    (key,) = here.keep(a_letter())
    fields = json.loads(encode_event(a_usage(occurred_at=EARLIER)))
    del fields["event_id"]
    text = json.dumps(fields)
    assert here.letters("retry", key, "--event", text).code == 0
    assert here.letters("retry", key, "--event", text, "--again").code == 0
    first, second = here.usage()
    assert first == second


def test_a_record_of_very_many_events(here: Installation) -> None:
    """More events than are sent at once, and a note larger than Kafka's usual limit."""
    encoded = [encode_event(a_usage(occurred_at=EARLIER)) for _ in range(30_000)]
    (key,) = here.keep(a_letter(packed(encoded)))
    assert here.letters("retry", key).rows[0]["events"] == 30_000
    assert len({event.event_id for event in here.usage()}) == 30_000
    assert len(here.notes()[0].event_ids) == 30_000


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("usage:0:1", "--all"),
        ("usage:0:1", "--reason", "not_json"),
        ("--all", "--file", "-"),
        ("--event", "{}"),
        ("usage:0:1", "usage:0:2", "--event", "{}"),
    ],
)
def test_what_is_meant_must_be_clear(
    here: Installation, arguments: tuple[str, ...]
) -> None:
    """What could mean two things is refused, in one line, and sends nothing."""
    done = here.letters("retry", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_a_file_that_is_none_sends_nothing(here: Installation, tmp_path: Path) -> None:
    """One line out of order keeps the whole file back, and is named."""
    (key,) = here.keep(a_letter())
    good = {"dead_letter_id": key, "event": json.loads(encode_event(a_usage()))}
    file = tmp_path / "fixed.ndjson"
    file.write_text(f"{json.dumps(good)}\n{{broken\n")
    done = here.letters("retry", "--file", str(file))
    assert (done.code, done.out) == (1, "")
    assert f"{file}, line 2: " in done.err
    assert (here.usage(), here.notes()) == ([], [])


def test_an_empty_file_is_not_all(here: Installation, tmp_path: Path) -> None:
    """Without a line nothing is retried, whatever is open."""
    here.keep(a_letter(encode_event(a_usage(occurred_at=EARLIER))))
    file = tmp_path / "fixed.ndjson"
    file.write_text("\n")
    done = here.letters("retry", "--file", str(file))
    assert (done.code, done.rows) == (0, [])
    assert done.err.endswith("there is nothing to retry\n")
    assert here.usage() == []
