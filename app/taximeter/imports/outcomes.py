"""What becomes of each row: an event, or a word on why there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from taximeter.imports.context import Context, Fields
from taximeter.imports.entries import Entry
from taximeter.imports.kinds import Kind
from taximeter.imports.rows import LeftOut, Refused, Row
from taximeter_schemas.errors import UsageError
from taximeter_schemas.records import MAX_AHEAD, explained
from taximeter_schemas.usage import UsageRecorded

__all__ = ["Outcome", "Wanted", "outcomes"]

Verdict = Literal["event", "left_out", "refused"]


class Outcome(NamedTuple):
    """What became of a row, or of a part of it: `event`, or the `reason` for none."""

    entry: Entry
    verdict: Verdict
    event: UsageRecorded | None = None
    reason: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which calls are imported, and what their events say whatever the log does.

    Attributes:
        fixed: fields of the events; they win over those of the log.
        tags: tags of the events; they win over those of the log.
        since: the earliest moment of a call.
        until: what comes behind the latest one.
    """

    source: str
    fixed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    since: datetime | None = None
    until: datetime | None = None

    def event(self, fields: Fields) -> UsageRecorded:
        """Return the event.

        Raises:
            pydantic.ValidationError: a field is out of bounds.
        """
        said = {name: value for name, value in fields.items() if value is not None}
        tags = {**said.get("tags", {}), **self.tags}
        return UsageRecorded.model_validate(
            {"source": self.source, **said, **self.fixed, "tags": tags}
        )

    def outside(self, moment: datetime) -> str:
        """Return why a call of this moment is not wanted; empty if it is."""
        if self.since is not None and moment < self.since:
            return "before --since"
        return "not before --until" if self.until and moment >= self.until else ""


def outcomes(
    entry: Entry, kind: Kind, context: Context, wanted: Wanted
) -> Iterator[Outcome]:
    """Yield what becomes of an entry of a log."""
    for row in kind.expand(entry):
        try:
            yield from _outcomes(row, kind, context, wanted)
        except LeftOut as why:
            yield Outcome(row, "left_out", reason=str(why))
        except (Refused, UsageError) as why:
            yield Outcome(row, "refused", reason=str(why))
        except ValidationError as error:
            yield Outcome(row, "refused", reason=explained(error))


def _outcomes(
    row: Entry, kind: Kind, context: Context, wanted: Wanted
) -> Iterator[Outcome]:
    if row.fault:
        raise Refused(row.fault)
    for fields in kind.events(Row(row.cells), context):
        yield _outcome(row, fields, context, wanted)


def _outcome(
    row: Entry, fields: dict[str, Any], context: Context, wanted: Wanted
) -> Outcome:
    event = wanted.event(fields)
    if event.occurred_at > context.now + MAX_AHEAD:
        raise Refused("lies more than a day in the future")
    if outside := wanted.outside(event.occurred_at):
        return Outcome(row, "left_out", reason=outside)
    return Outcome(row, "event", event)
