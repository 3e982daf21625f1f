"""A bucket of a usage report, shared out over calls.

Reports count per minute, hour or day what an organisation used; an event is one call.
A bucket becomes as many events as there were requests, each with an equal share, spread
evenly over its stretch of time: so calls, tokens and the size of a request, by which
some prices are told apart, come out right, and no hour looks like a spike. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from taximeter.imports.context import Fields
from taximeter.imports.rows import LeftOut
from taximeter_schemas.ids import derived_id

__all__ = ["SHARED", "Bucket", "events_of"]

SHARED: Final = "bucket"
"""The tag of events that stand for a share of a bucket: how many shares it has."""


class Bucket(NamedTuple):
    """One row of a report.

    `facts` tell it from other rows: provider, times and what it is grouped by.
    """

    start: datetime
    end: datetime
    facts: tuple[str, ...]
    counts: Mapping[str, int]
    calls: int
    fields: Fields


def events_of(bucket: Bucket, now: datetime) -> Iterator[Fields]:
    """Yield the events of a bucket; their shares add up to it exactly.

    Raises:
        LeftOut: nothing was used, or it is not over yet: its numbers still grow, and
            what is imported of it today would hide the rest tomorrow.
    """
    if bucket.end > now:
        raise LeftOut("a bucket that is not over yet: import it when it is")
    if bucket.calls == 0 or not any(bucket.counts.values()):
        raise LeftOut("an empty bucket")
    every = (bucket.end - bucket.start) / bucket.calls
    tags = {**bucket.fields.get("tags", {}), SHARED: str(bucket.calls)}
    for number in range(bucket.calls):
        yield {
            **bucket.fields,
            "event_id": derived_id("import", "bucket", *bucket.facts, str(number)),
            "occurred_at": bucket.start + every * number,
            "usage": _share(bucket.counts, number, bucket.calls),
            "tags": tags,
        }


def _share(counts: Mapping[str, int], number: int, of: int) -> dict[str, Any]:
    """Return one of so many equal shares, whole numbers all of them.

    >>> [_share({"text_input_tokens": 7}, n, 3)["text_input_tokens"] for n in range(3)]
    [2, 2, 3]
    """
    shares = {
        name: count * (number + 1) // of - count * number // of
        for name, count in counts.items()
    }
    return {name: _typed(name, share) for name, share in shares.items() if share}


def _typed(name: str, share: int) -> int | Decimal:
    return Decimal(share) if name.endswith("_seconds") else share
