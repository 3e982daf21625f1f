"""Distributes encoded events over records, each for one partition and of bounded size.

Pure: it knows neither Kafka nor threads, and everything in it runs in the emitter's
own thread, so nothing here needs a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from taximeter_schemas.partitioning import partitions_of
from taximeter_schemas.records import encode_event, packed, usage_key
from taximeter_schemas.usage import EmittedEvent

__all__ = ["Delivery", "EncodedEvent", "Packer", "Record"]

# Of n events: two brackets, and n - 1 separators of two bytes.
_AROUND: Final = 2

_ID_FIRST: Final = b'{"event_id":"'
_KEY: Final = slice(len(_ID_FIRST), len(_ID_FIRST) + 36)


class EncodedEvent(NamedTuple):
    """A valid event as it travels: its key and its JSON, in one line."""

    key: bytes
    value: bytes

    @classmethod
    def of(cls, event: EmittedEvent | EncodedEvent) -> EncodedEvent:
        """Return an event as it travels."""
        if isinstance(event, EncodedEvent):
            return event
        encoded = encode_event(event)
        if encoded.startswith(_ID_FIRST):
            # As the model writes it: a microsecond less than writing it once more.
            return cls(encoded[_KEY], encoded)
        return cls(usage_key(event.event_id), encoded)


class Delivery:
    """Somebody who waits until certain events, or all earlier ones, are in Kafka.

    It counts the records that carry them, not the events: a future for each event
    would cost more than sending it. A delivery without events is a barrier: it
    holds on to every record that is under way when its turn comes.
    """

    __slots__ = ("_complete", "_error", "_records", "events", "future")

    def __init__(self, events: Sequence[EmittedEvent | EncodedEvent] = ()) -> None:
        self.events = events
        self.future: Future[None] = Future()
        self._records = 0
        self._complete = False
        self._error: Exception | None = None

    def hold(self) -> None:
        """Wait for one more record."""
        self._records += 1

    def release(self) -> None:
        """One of the records has been acknowledged, or given up for lost."""
        self._records -= 1
        self._settle()

    def fail(self, error: Exception) -> None:
        """Remember that an event of this delivery can never be sent."""
        self._error = self._error or error

    def complete(self) -> None:
        """All of it has been packed: no further record will be held."""
        self._complete = True
        self._settle()

    def _settle(self) -> None:
        if not self._complete or self._records:
            return
        # False if the waiter was cancelled meanwhile: then nobody wants to know.
        if not self.future.set_running_or_notify_cancel():
            return
        if self._error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(self._error)


@dataclass(eq=False, slots=True)
class Record:
    """Encoded events of one partition that travel together, and who waits for them.

    `partitions` is the number of partitions by which they were distributed;
    `suspect` marks a record that stood in a batch which the broker found too large.
    """

    partition: int
    partitions: int
    key: bytes
    encoded: list[bytes]
    size_bytes: int
    waiting: list[Delivery] = field(default_factory=list[Delivery])
    suspect: bool = False

    @property
    def value(self) -> bytes:
        """The record's value, as `taximeter_schemas.records` reads it."""
        return packed(self.encoded)

    def add(self, encoded: bytes, delivery: Delivery | None) -> None:
        """Put one more event in, on behalf of a delivery or of nobody."""
        self.encoded.append(encoded)
        self.size_bytes += len(encoded) + _AROUND
        if delivery is not None and delivery not in self.waiting[-1:]:
            self.hold(delivery)

    def hold(self, delivery: Delivery) -> None:
        """Let a delivery wait for this record."""
        delivery.hold()
        self.waiting.append(delivery)

    def release(self) -> None:
        """Tell all who wait that this record's fate is known."""
        for delivery in self.waiting:
            delivery.release()
        self.waiting.clear()

    def fail(self, error: Exception) -> None:
        """Tell all who wait that this record can never be sent."""
        for delivery in self.waiting:
            delivery.fail(error)
        self.release()

    def halves(self) -> tuple[Record, Record]:
        """Return two records with half of the events each, in order.

        Whoever waits for this record waits for both from now on. Both keep its
        key, which is only there to be looked at: the partition is given.
        """
        middle = len(self.encoded) // 2
        first = self._part(self.encoded[:middle])
        second = self._part(self.encoded[middle:])
        self.release()
        return first, second

    def _part(self, encoded: list[bytes]) -> Record:
        size_bytes = sum(map(len, encoded)) + len(encoded) * _AROUND
        part = Record(
            self.partition, self.partitions, self.key, encoded, size_bytes, suspect=True
        )
        for delivery in self.waiting:
            part.hold(delivery)
        return part


class Packer:
    """Keeps one open record for each partition and seals those that are full.

    Args:
        partitions: of the topic, as the broker itself says.
        max_events: in one record.
        max_bytes: of one record's value; a single larger event still gets a record
            of its own, since whether it may be sent is not decided here.
    """

    def __init__(self, partitions: int, max_events: int, max_bytes: int) -> None:
        self.partitions = partitions
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._open: dict[int, Record] = {}
        self._sealed: list[Record] = []

    def add(
        self, events: Sequence[tuple[bytes, bytes]], delivery: Delivery | None = None
    ) -> None:
        """Put events, each a key and its JSON, into the records their keys decide."""
        partitions = partitions_of([key for key, _ in events], self.partitions)
        for partition, (key, encoded) in zip(partitions, events, strict=True):
            self._add(partition, key, encoded, delivery)

    def _add(
        self, partition: int, key: bytes, encoded: bytes, delivery: Delivery | None
    ) -> None:
        record = self._open.get(partition)
        if record and record.size_bytes + len(encoded) + _AROUND > self._max_bytes:
            self._seal(partition)
            record = None
        if record is None:
            record = Record(partition, self.partitions, key, [], 0)
            self._open[partition] = record
        record.add(encoded, delivery)
        if len(record.encoded) >= self._max_events:
            self._seal(partition)

    def full(self) -> list[Record]:
        """Hand out the records that are full, oldest first."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def all(self) -> list[Record]:
        """Hand out every record, full or not."""
        for partition in list(self._open):
            self._seal(partition)
        return self.full()

    def records(self) -> list[Record]:
        """Return the records that have not been handed out yet."""
        return [*self._sealed, *self._open.values()]

    def drop(self, record: Record) -> None:
        """Forget a record that has not been handed out; somebody else keeps it."""
        self._sealed = [each for each in self._sealed if each is not record]
        if self._open.get(record.partition) is record:
            del self._open[record.partition]

    def _seal(self, partition: int) -> None:
        self._sealed.append(self._open.pop(partition))
