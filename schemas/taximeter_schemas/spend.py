"""Partial sums on their way from the pricing agent to the budget watcher.

One `SpendAdvanced` says how the spend of some subjects stands as far as *one* source
partition of `usage` knows: absolute sums, each with the offset of the last usage
record in it. Adding up the latest partials of all source partitions gives the spend,
in whatever order, and however often, they arrive.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter

from taximeter_schemas.budgets import WINDOW_SECONDS
from taximeter_schemas.fields import Event
from taximeter_schemas.subjects import Subject, SubjectKind

__all__ = [
    "WINDOW_SECONDS",
    "Partial",
    "PartialRow",
    "SpendAdvanced",
    "spend_advanced_adapter",
    "subject_key",
]


class Partial(NamedTuple):
    """What one source partition knows of a subject's spend in one window.

    `cost_pico` is text, since pico-dollars may pass what JSON readers hold in a
    number. `offset` is that of the last usage record that is in the sums.
    """

    cost_pico: str
    calls: int
    unpriced_calls: int
    tokens: int
    offset: int


class PartialRow(NamedTuple):
    """A partial with whom and when it is for; `window_start` in epoch seconds."""

    kind: SubjectKind
    id: str
    window_start: int
    partial: Partial


class SpendAdvanced(Event):
    """The partial sums of one source partition that one flush changed.

    `settled` are the reservations whose calls are in these sums, or in those that the
    same flush stated before: what was reserved for them is charged now.
    """

    event_type: Literal["SpendAdvanced"] = "SpendAdvanced"
    schema_version: Literal[1] = 1
    source_partition: int
    rows: tuple[PartialRow, ...]
    settled: tuple[UUID, ...] = ()


spend_advanced_adapter: Final = TypeAdapter(SpendAdvanced)


def subject_key(subject: Subject) -> bytes:
    """Return the key that decides which partition of `spend` owns a subject.

    >>> subject_key(Subject("user", "alice"))
    b'user:alice'
    """
    return f"{subject.kind}:{subject.id}".encode()
