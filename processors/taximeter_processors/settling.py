"""Which reservations a usage record settles, and how the owners of subjects hear of it.

Pure. The partial sums that have a call in them and the word that its reservation is
settled travel in one record, so that whoever applies it counts the money neither twice
nor not at all in between. Every owner is told, since a call may be charged to others
than it was reserved for; who holds nothing for it has nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from taximeter_processors.calls import Call, Counting

__all__ = ["MOST_ROWS", "settled_by", "spend_records"]

MOST_ROWS: Final = 5_000
"""How many rows one record has at most."""

_RESERVED: Final = b'"reservation_id"'


def settled_by(
    value: bytes | None, counting: Iterable[tuple[int, Counting]]
) -> list[UUID]:
    """Return the reservations that the events of a record name.

    Args:
        value: the record; most say nothing of reservations, which is seen at once.
        counting: those of its events that count, with their positions.
    """
    if value is None or _RESERVED not in value:
        return []
    calls = [event for _, event in counting if isinstance(event, Call)]
    return [call.reservation_id for call in calls if call.reservation_id]


def spend_records(
    source_partition: int,
    advanced: Mapping[int, Sequence[bytes]],
    settled: Sequence[UUID],
    partitions: int,
) -> dict[int, list[bytes]]:
    """Return the `SpendAdvanced` records of a flush, by the partition that they go to.

    What is settled stands in the last one: until then both count, which is safe.

    >>> spend_records(2, {0: [b'["all","",0,["5",1,0,7,3]]']}, [], 4)[0][0][-36:]
    b'"rows":[["all","",0,["5",1,0,7,3]]]}'
    """
    owners = range(partitions) if settled else advanced
    return {
        owner: _records(source_partition, advanced.get(owner, ()), settled)
        for owner in owners
    }


def _records(
    source_partition: int, rows: Sequence[bytes], settled: Sequence[UUID]
) -> list[bytes]:
    stretches = [rows[at : at + MOST_ROWS] for at in range(0, len(rows), MOST_ROWS)]
    *first, last = stretches or [()]
    records = [_record(source_partition, stretch, ()) for stretch in first]
    return [*records, _record(source_partition, last, settled)]


def _record(
    source_partition: int, rows: Sequence[bytes], settled: Sequence[UUID]
) -> bytes:
    # The bytes of a `SpendAdvanced`; a test holds them to the model.
    ids = b",".join(b'"%b"' % str(each).encode() for each in settled)
    return (
        b'{"event_type":"SpendAdvanced","schema_version":1,"source_partition":%d,'
        b'"rows":[%b]%b}'
        % (source_partition, b",".join(rows), b',"settled":[%b]' % ids if ids else b"")
    )
