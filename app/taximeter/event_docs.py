"""Writes `docs/events/` from the events themselves, so that any language can emit.

``python -m taximeter.event_docs`` writes the JSON Schema of every event and an
overview; with ``--check`` it writes nothing and fails when the files are stale. It is
a tool of the repository: the examples are the golden files of the contract tests, and
`--root` is the folder that holds both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import Any, Final

import click
from pydantic.json_schema import GenerateJsonSchema

from taximeter_schemas.alerts import (
    BudgetForecastExceeded,
    BudgetThresholdCrossed,
    DigestDue,
    PriceMissing,
    SpendAnomalyDetected,
    SpendRecovered,
)
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetRemoved,
    BudgetStatus,
    PlanAssigned,
)
from taximeter_schemas.charges import ChargeAdjusted, UsagePriced
from taximeter_schemas.dead_letters import DeadLetter, DeadLetterRetried
from taximeter_schemas.deliveries import (
    AlertDelivered,
    AlertDeliveryFailed,
    AlertResendRequested,
    AlertRouted,
    AlertsRead,
)
from taximeter_schemas.fields import Event
from taximeter_schemas.prices import PricesDefined, PriceVersionPublished
from taximeter_schemas.reservations import (
    ReservationAnswered,
    ReservationReleased,
    ReservationRequested,
)
from taximeter_schemas.spend import SpendAdvanced
from taximeter_schemas.topics import Topic, Topics
from taximeter_schemas.usage import (
    UsageCorrected,
    UsageNotUnderstood,
    UsageRecorded,
    UsageRepriced,
)

__all__ = ["EVENTS", "DocumentedEvent", "documents", "json_schema", "main"]

_TOPICS: Final = Topics()
_FOLDER: Final = Path("docs", "events")
_GOLDEN: Final = Path("tests", "contract", "golden")


@dataclass(frozen=True)
class DocumentedEvent:
    """An event with the place where it is found.

    Attributes:
        model: the event's model; its docstring says what the event says.
        topic: the topic that carries it.
        key: what the record's key is, in words.
        value: what the record's value is, in words.
    """

    model: type[Event]
    topic: Topic
    key: str
    value: str = "the event"

    @property
    def name(self) -> str:
        """The event's name, which is also its `event_type`."""
        return self.model.__name__

    @property
    def version(self) -> int:
        """The `schema_version` that is written now."""
        return int(self.model.model_fields["schema_version"].default)

    @property
    def schema_file(self) -> str:
        """The name of the file that holds its JSON Schema."""
        return f"{self.name}.v{self.version}.schema.json"

    @property
    def example_file(self) -> Path:
        """The golden file of this version, from the repository's root."""
        return _GOLDEN / f"v{self.version}" / f"{self.name}.json"


_ONE_OR_MANY = "the event, or a JSON array of events that belong to one partition"
_CHARGES = "a JSON array: every charge of one usage record"
_SOURCE = "`<source_partition>:<source_offset>`; the partition is the source's too"

_SUBJECT = "`<subject_kind>:<subject_id>`"
_DELIVERY = "`<alert_id>:<route>`"

EVENTS: Final = (
    DocumentedEvent(UsageRecorded, _TOPICS.usage, "`event_id`", _ONE_OR_MANY),
    DocumentedEvent(UsageCorrected, _TOPICS.usage, "`event_id`", _ONE_OR_MANY),
    DocumentedEvent(UsageRepriced, _TOPICS.usage, "`event_id`", _ONE_OR_MANY),
    DocumentedEvent(UsageNotUnderstood, _TOPICS.usage, "`event_id`", _ONE_OR_MANY),
    DocumentedEvent(UsagePriced, _TOPICS.charges, _SOURCE, _CHARGES),
    DocumentedEvent(ChargeAdjusted, _TOPICS.charges, _SOURCE, _CHARGES),
    DocumentedEvent(
        SpendAdvanced, _TOPICS.spend, "decides the subjects' partition; no identity"
    ),
    DocumentedEvent(ReservationRequested, _TOPICS.spend, "the subject's: `kind:id`"),
    DocumentedEvent(
        ReservationReleased,
        _TOPICS.spend,
        "none: into each partition that was asked, or into all of them",
    ),
    DocumentedEvent(
        ReservationAnswered,
        _TOPICS.reservation_answers,
        "`reservation_id`; the partition is that of the request",
    ),
    DocumentedEvent(BudgetDefined, _TOPICS.budgets, "`budget_id`"),
    DocumentedEvent(BudgetRemoved, _TOPICS.budgets, "`budget_id`"),
    DocumentedEvent(PlanAssigned, _TOPICS.budgets, "`plan-of:<user_id>`"),
    DocumentedEvent(
        BudgetStatus,
        _TOPICS.budget_status,
        "`<budget_id>|<subject_kind>|<subject_id>|<period_start or total>`",
    ),
    DocumentedEvent(BudgetThresholdCrossed, _TOPICS.budget_alerts, "`budget_id`"),
    DocumentedEvent(BudgetForecastExceeded, _TOPICS.budget_alerts, "`budget_id`"),
    DocumentedEvent(SpendAnomalyDetected, _TOPICS.budget_alerts, _SUBJECT),
    DocumentedEvent(
        SpendRecovered, _TOPICS.budget_alerts, f"`budget_id`, or {_SUBJECT}"
    ),
    DocumentedEvent(PriceMissing, _TOPICS.budget_alerts, "`model:<model>`"),
    DocumentedEvent(DigestDue, _TOPICS.budget_alerts, "`digest`"),
    DocumentedEvent(AlertRouted, _TOPICS.deliveries, _DELIVERY),
    DocumentedEvent(AlertDelivered, _TOPICS.deliveries, _DELIVERY),
    DocumentedEvent(AlertDeliveryFailed, _TOPICS.deliveries, _DELIVERY),
    DocumentedEvent(
        AlertResendRequested, _TOPICS.deliveries, "`resend:<alert_id>:<route>`"
    ),
    DocumentedEvent(AlertsRead, _TOPICS.deliveries, "`read:<partition>`"),
    DocumentedEvent(PriceVersionPublished, _TOPICS.prices, "`price_version`"),
    DocumentedEvent(PricesDefined, _TOPICS.prices, "`price_version`"),
    DocumentedEvent(
        DeadLetter,
        _TOPICS.dead_letters,
        "`<topic>:<partition>:<offset>`, and `:<position>` in a packed record",
    ),
    DocumentedEvent(
        DeadLetterRetried, _TOPICS.dead_letters, "the dead letter's, `dead_letter_id`"
    ),
)

_INTRODUCTION: Final = """\
# Events

Generated by `python -m taximeter.event_docs`: change the models in
`schemas/taximeter_schemas/` and run it again.

Every event is a JSON object, a fact in the past tense that nobody changes. Each has a
JSON Schema beside this page. What holds for all of them:

- a field that the schema does not know is refused, and so is a field of another type;
- a field that has its default value may be left out;
- moments carry their time zone, and amounts in USD are decimals written as text, with
  at most 12 places; a `cost_usd` of `null` means *unpriced*, which is not free;
- on Kafka, an event's partition is that of its record's key by Kafka's default
  partitioner (murmur2), unless the table says otherwise.

| event | topic | key | value |
|---|---|---|---|
"""


def json_schema(documented: DocumentedEvent) -> dict[str, Any]:
    """Return the JSON Schema of an event, for those who write it and who read it."""
    schema = documented.model.model_json_schema(mode="validation")
    identity = f"urn:taximeter:event:{documented.name}:v{documented.version}"
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": identity}
    title = {"title": f"{documented.name}, schema version {documented.version}"}
    return head | schema | title


def documents(examples: Mapping[str, str]) -> dict[str, str]:
    """Return the text of every file in `docs/events/` by its name.

    Args:
        examples: for each event's name, one such event as JSON text.
    """
    files = {event.schema_file: _json_text(json_schema(event)) for event in EVENTS}
    return files | {"README.md": _overview(examples)}


def _json_text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _overview(examples: Mapping[str, str]) -> str:
    table = "".join(_row(event) for event in EVENTS)
    sections = [_section(event, examples[event.name]) for event in EVENTS]
    return "\n".join([_INTRODUCTION + table, *sections])


def _row(event: DocumentedEvent) -> str:
    link = f"[{event.name}](#{event.name.lower()})"
    key = event.key.replace("|", "\\|")
    return f"| {link} | `{event.topic.name}` | {key} | {event.value} |\n"


def _section(event: DocumentedEvent, example: str) -> str:
    return (
        f"## {event.name}\n\n{getdoc(event.model)}\n\n"
        f"Schema: [{event.schema_file}]({event.schema_file}). Example:\n\n"
        f"```json\n{example.strip()}\n```\n"
    )


def _stale(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Return the names of files that are missing, differ, or should not be there."""
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.*")}
    names = sorted(found.keys() | wanted.keys())
    return [name for name in names if found.get(name) != wanted.get(name)]


def _write(folder: Path, wanted: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _stale(folder, wanted):
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
        else:
            (folder / name).unlink()


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is stale.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The repository's folder.",
)
def main(check: bool, root: Path) -> None:
    """Write the JSON Schemas and the overview of all events into docs/events/."""
    examples = {
        event.name: (root / event.example_file).read_text("utf-8") for event in EVENTS
    }
    wanted = documents(examples)
    folder = root / _FOLDER
    if not check:
        _write(folder, wanted)
    elif stale := _stale(folder, wanted):
        raise click.ClickException(
            f"stale in {folder}: {', '.join(stale)}; run python -m taximeter.event_docs"
        )


if __name__ == "__main__":
    main()
