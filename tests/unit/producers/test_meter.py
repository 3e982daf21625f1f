"""A process has one meter; it is started from the environment and hurts nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import taximeter
from taximeter_producers.kafka import KafkaEmitter
from taximeter_producers.meter import current_meter
from taximeter_producers.meter_settings import MeterSettings
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.usage import EmittedEvent, UsageRecorded
from tests.builders import a_usage

NOBODY = "127.0.0.1:1"

IMPORTS = """
import sys
import taximeter
heavy = {"litellm", "faust", "duckdb", "openai", "anthropic", "httpx", "httpx2",
         "pydantic", "aiokafka"} & set(sys.modules)
assert not heavy, heavy
taximeter.start(taximeter.MemoryEmitter())
taximeter.wrap, taximeter.instrument, taximeter.uninstrument
heavy = {"litellm", "faust", "duckdb", "openai", "anthropic", "httpx", "httpx2",
         "aiokafka"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture(autouse=True)
def _no_meter_before_or_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TAXIMETER_BOOTSTRAP", raising=False)
    taximeter.stop()
    yield
    taximeter.stop(timeout=0)


def test_it_is_started_once() -> None:
    """Who starts it again gets the one that runs; after `stop` there is none."""
    memory = taximeter.MemoryEmitter()
    meter = taximeter.start(memory)
    assert taximeter.start(taximeter.MemoryEmitter()) is meter is current_meter()
    assert taximeter.stop()
    assert memory.closed
    assert current_meter() is None


def test_the_environment_says_where_events_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`TAXIMETER_…` makes an emitter, and none of it waits for Kafka."""
    monkeypatch.setenv("TAXIMETER_BOOTSTRAP", NOBODY)
    monkeypatch.setenv("TAXIMETER_SOURCE", "checkout")
    monkeypatch.setenv("TAXIMETER_DURABILITY", "spool")
    monkeypatch.setenv("TAXIMETER_SPOOL_DIR", str(tmp_path))
    meter = taximeter.start()
    assert isinstance(meter.emitter, KafkaEmitter)
    assert (meter.emitter.bootstrap, meter.source) == (NOBODY, "checkout")
    assert meter.emitter.durability == "spool"
    assert meter.emit(a_usage())
    assert meter.stats().spooled == 1


def test_what_is_given_wins() -> None:
    """An argument beats the variable; None is not given."""
    around = {"TAXIMETER_SOURCE": "a", "TAXIMETER_PREFIX": "b."}
    read = MeterSettings.read({"source": "c", "prefix": None}, around)
    assert (read.source, read.prefix) == ("c", "b.")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TAXIMETER_SPOOL_MAX_BYTES", "much", "TAXIMETER_SPOOL_MAX_BYTES"),
        ("TAXIMETER_SOURCE", "", "TAXIMETER_BOOTSTRAP"),
        ("TAXIMETER_DURABILITY", "tape", "TAXIMETER_DURABILITY"),
    ],
)
def test_a_wrong_setting_is_named(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting fails at once, with the variable; an empty one is not given."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=says):
        taximeter.start()


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """`TAXIMETER_ENABLED=false` needs no Kafka and keeps nothing."""
    monkeypatch.setenv("TAXIMETER_ENABLED", "false")
    meter = taximeter.start()
    assert meter.emit(a_usage())
    assert meter.stats().accepted == 0


def test_redact_sees_each_event_first() -> None:
    """What the hook returns is sent in place of the event, and nothing for None."""

    def redact(event: EmittedEvent) -> EmittedEvent | None:
        if event.user_id == "nobody":
            return None
        return event.model_copy(update={"user_id": "hidden"})

    memory = taximeter.MemoryEmitter()
    meter = taximeter.start(memory, redact=redact)
    assert meter.emit(a_usage(user_id="ada"))
    assert not meter.emit(a_usage(user_id="nobody"))
    assert [event.user_id for event in memory.sent] == ["hidden"]


def test_what_cannot_be_redacted_is_not_sent() -> None:
    """A hook that raises costs its event, is counted, and raises into nobody."""
    memory = taximeter.MemoryEmitter()
    meter = taximeter.start(memory, redact=lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
    assert not meter.emit(a_usage())
    assert (memory.sent, meter.failures) == ([], 1)


def test_a_forked_child_goes_on_metering() -> None:
    """The child has the meter of its parent, without the parent's waiting events."""
    meter = taximeter.start(bootstrap=NOBODY)
    meter.emit(a_usage())
    read, write = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover - another process
        again = taximeter.start()
        accepted = again.emit(a_usage())
        os.write(write, f"{accepted} {again.stats().pending}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"True 1"
    assert meter.stats().pending == 1
    os.close(read)
    os.close(write)


def test_the_meter_is_an_emitter() -> None:
    """It can stand where one is asked for, such as in the litellm callback."""
    memory = taximeter.MemoryEmitter()
    takes: taximeter.Emitter = taximeter.start(memory)
    takes.emit(a_usage())
    assert isinstance(memory.sent[0], UsageRecorded)


def test_importing_the_package_is_light() -> None:
    """No library of a provider, a worker or Kafka comes along; the bench has the ms."""
    path = f"import sys; sys.path[:0] = {sys.path!r}\n"
    subprocess.run([sys.executable, "-c", path + IMPORTS], check=True)
