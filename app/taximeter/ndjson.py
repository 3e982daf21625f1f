"""Usage events from a file, one a line, into Kafka; in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from taximeter_producers.emitter import unfit
from taximeter_producers.kafka import KafkaEmitter
from taximeter_schemas.clock import Clock
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.records import MAX_EVENT_BYTES, Fault, kept_usage, read_emitted
from taximeter_schemas.usage import EmittedEvent, UsageEvent

__all__ = ["MAX_LINE_BYTES", "Emission", "emit_lines", "lines_of", "settle"]

MAX_LINE_BYTES: Final = 1024 * 1024

# So many events are under way before we wait until Kafka has them: enough to keep
# it busy, few enough to fit the emitter's buffer.
_UNDER_WAY: Final = 20_000
_PATIENCE_SECONDS: Final = 60.0

_REFUSED: Final = "refused: the spool is full or cannot be written"


@dataclass
class Emission:
    """How many events Kafka or the spool has, and how many have not been taken."""

    accepted: int = 0
    rejected: int = 0


def lines_of(
    file: BinaryIO, most: int = MAX_LINE_BYTES
) -> Iterator[tuple[int, bytes | None]]:
    r"""Yield each line that is not blank, with its number; None for one too long.

    >>> from io import BytesIO
    >>> list(lines_of(BytesIO(b'{}\n\n' + b'x' * (MAX_LINE_BYTES + 1) + b'\n[]')))
    [(1, b'{}'), (3, None), (4, b'[]')]
    """
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if len(line) > most and not line.endswith(b"\n"):
            _skip_rest(file)
            yield number, None
        elif stripped := line.strip():
            yield number, stripped


def emit_lines(
    file: BinaryIO,
    emitter: KafkaEmitter,
    clock: Clock,
    reject: Callable[[int, str], None],
) -> Emission:
    """Send every valid event of a file; return when Kafka or a spool has them.

    Args:
        file: one event a line, as in `docs/events/`.
        emitter: takes them; waited for when enough are under way, unless it has put
            them on disk.
        clock: an event may not claim to have happened over a day after its time.
        reject: told the line's number and why, for each event that was not sent.

    Raises:
        BrokerUnavailable: Kafka took nothing for a minute. What was sent may have
            arrived; sending the file again is harmless, since an event counts once.
    """
    emission, under_way = Emission(), 0
    for number, line in lines_of(file):
        for reading in _read(line, clock):
            if isinstance(reading, str):
                emission.rejected += 1
                reject(number, reading)
                continue
            if not emitter.emit(reading):
                emission.rejected += 1
                reject(number, _REFUSED)
                continue
            emission.accepted += 1
            under_way += 1
            if under_way >= _UNDER_WAY:
                settle(emitter)
                under_way = 0
    settle(emitter)
    return emission


def _read(line: bytes | None, clock: Clock) -> Iterator[EmittedEvent | str]:
    """Yield each event of a line, or why it is none.

    A usage that was not understood is sent: a worker keeps it as a dead letter.
    """
    if line is None:
        yield f"too_large: a line has at most {MAX_LINE_BYTES} bytes"
        return
    for reading in read_emitted(line, clock.now()):
        event = kept_usage(reading) if isinstance(reading, Fault) else reading
        if event is None:
            yield _why(reading)
        elif unfit(event):
            yield f"too_large: an event has at most {MAX_EVENT_BYTES} bytes"
        else:
            yield event


def _why(reading: UsageEvent | Fault) -> str:
    return f"{reading.reason}: {reading.detail}" if isinstance(reading, Fault) else ""


def settle(emitter: KafkaEmitter) -> None:
    """Wait until Kafka has all that was emitted, unless it is on disk.

    Raises:
        BrokerUnavailable: it took nothing for a minute.
    """
    if emitter.durability == "spool":
        return
    if not emitter.flush(_PATIENCE_SECONDS):
        pending = emitter.stats().pending
        reason = f"{pending} events are still on their way; send the file again"
        raise BrokerUnavailable(emitter.bootstrap, reason)


def _skip_rest(file: BinaryIO) -> None:
    while (piece := file.readline(MAX_LINE_BYTES)) and not piece.endswith(b"\n"):
        pass
