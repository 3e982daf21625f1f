"""Events written by any version so far can be read for ever.

Never edit or remove a file in `golden/`: it stands for events in topics and archives
that nobody can change any more. A new schema version gets a folder of its own, and so
do optional fields that a version was given later; the tests below read them all.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import TypeAdapter

from taximeter.event_docs import EVENTS, DocumentedEvent, json_schema
from taximeter_schemas.alerts import Alert, alert_adapter
from taximeter_schemas.budgets import BudgetEvent, budget_event_adapter
from taximeter_schemas.charges import Charge, charges_adapter
from taximeter_schemas.dead_letters import (
    DeadLetterEvent,
    dead_letter_event_adapter,
)
from taximeter_schemas.deliveries import DeliveryEvent, delivery_event_adapter
from taximeter_schemas.prices import PriceEvent, price_event_adapter
from taximeter_schemas.records import Fault, packed, read_record
from taximeter_schemas.reservations import ReservationEvent, reservation_event_adapter
from taximeter_schemas.usage import UsageEvent, usage_event_adapter
from tests.builders import NOON

GOLDEN = Path(__file__).parent / "golden"
V1 = GOLDEN / "v1"
VERSION_FILES = sorted(GOLDEN.glob("v?/*.json"))
LATER_FILES = sorted(GOLDEN.glob("v?_*/*.json"))
FILES = VERSION_FILES + LATER_FILES
KINDS = ("", ".minimal")
BY_NAME = {event.name: event for event in EVENTS}

# The digest of a folder's golden files, by which an edit is noticed.
FROZEN = {
    "v1": "fa562c55089275d16c4413c310b933072455ccd2805a450fd5a5994a0975c735",
    "v1_own_prices": "4e75afcfbe35d73fb9a5193a9807c75fb0254fd3e35d1b3df05b30fd3bba657a",
    "v1_reserved": "49912853950bd9838e732536690571bd3350043167268c4fd87bda046bdab785",
    "v1_units": "deb84de4edfb97e19feb02ee95a7aa69a74fb3f6bbc62f1d4a966ff34ab6877f",
    "v2": "8e73cc7629bf12898ed86cd9ec4a569eadbda02345ff8d05d55802014f228329",
    "v2_tops": "c4ebc23cedd56d56d9360839cffab6b79c934efd2847779ae71ffb724b6fbf49",
    "v2_units": "c7541de7190bbf97a87ba575817de26af11389b3952c65ff3d2c014b5d152ad8",
}

# What version 1 got since its files were frozen: optional, so that both are read.
CHOICES = {
    "image_size",
    "image_quality",
    "video_resolution",
    "search_context_size",
    "max_results",
}
LATER: dict[str, set[str]] = {
    "UsageRecorded": CHOICES,
    "UsageCorrected": CHOICES,
    "UsageNotUnderstood": CHOICES,
    "BudgetRemoved": {"removed_by"},
}


def _event_of(path: Path) -> DocumentedEvent:
    return BY_NAME[path.name.split(".")[0]]


def _validator(event: DocumentedEvent) -> Draft202012Validator:
    return Draft202012Validator(json_schema(event), format_checker=FormatChecker())


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _newest(event: DocumentedEvent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (GOLDEN.parents[2] / event.example_file).read_text()
    )
    return found


@pytest.mark.parametrize("version", FROZEN)
def test_golden_files_are_never_edited(version: str) -> None:
    """The golden files of a folder are byte for byte those that were frozen."""
    digest = hashlib.sha256()
    for path in sorted((GOLDEN / version).glob("*.json")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())

    assert digest.hexdigest() == FROZEN[version]


def test_every_event_has_golden_files() -> None:
    """Each version of an event is kept in full and with only what it must say."""
    wanted = {
        f"v{version}/{event.name}{kind}.json"
        for event in EVENTS
        for version in range(1, event.version + 1)
        for kind in KINDS
    }

    assert {f"{path.parent.name}/{path.name}" for path in VERSION_FILES} == wanted


@pytest.mark.parametrize("path", FILES, ids=_named)
def test_golden_event_reads_and_writes_unchanged(path: Path) -> None:
    """An old event says the same after it was read and written again."""
    text = path.read_bytes()

    event = _event_of(path).model.model_validate_json(text)
    written = event.model_dump_json(exclude_unset=True)

    assert json.loads(written) == json.loads(text)


@pytest.mark.parametrize("path", FILES, ids=_named)
def test_golden_event_obeys_its_json_schema(path: Path) -> None:
    """The published JSON Schema accepts what was written under it."""
    _validator(_event_of(path)).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=_named)
def test_event_in_full_obeys_its_json_schema(path: Path) -> None:
    """An event written with all its defaults is one that the JSON Schema accepts."""
    event = _event_of(path).model.model_validate_json(path.read_bytes())

    _validator(_event_of(path)).validate(json.loads(event.model_dump_json()))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_json_schema_refuses_an_unknown_field(event: DocumentedEvent) -> None:
    """Reader and JSON Schema agree that an unknown field is refused."""
    golden = _newest(event)

    assert not _validator(event).is_valid(golden | {"surprise": 1})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_full_golden_event_leaves_no_field_out(event: DocumentedEvent) -> None:
    """The full golden files set every field, but for choices, which came later."""
    files = [path for path in FILES if path.name == f"{event.name}.json"]
    set_in_one = {name for path in files for name in json.loads(path.read_text())}
    later = LATER.get(event.name, set())

    assert set_in_one == event.model.model_fields.keys() - later
    assert not any(event.model.model_fields[name].is_required() for name in later)


def _adapter_of(path: Path) -> TypeAdapter[Any]:
    adapters: dict[str, TypeAdapter[Any]] = {
        "UsageRecorded": usage_event_adapter,
        "UsageCorrected": usage_event_adapter,
        "UsageRepriced": usage_event_adapter,
        "UsagePriced": charges_adapter,
        "ChargeAdjusted": charges_adapter,
        "BudgetDefined": budget_event_adapter,
        "BudgetRemoved": budget_event_adapter,
        "PlanAssigned": budget_event_adapter,
        "DeadLetter": dead_letter_event_adapter,
        "DeadLetterRetried": dead_letter_event_adapter,
        "AlertRouted": delivery_event_adapter,
        "AlertDelivered": delivery_event_adapter,
        "AlertDeliveryFailed": delivery_event_adapter,
        "AlertResendRequested": delivery_event_adapter,
        "AlertsRead": delivery_event_adapter,
        "BudgetThresholdCrossed": alert_adapter,
        "BudgetForecastExceeded": alert_adapter,
        "SpendAnomalyDetected": alert_adapter,
        "SpendRecovered": alert_adapter,
        "PriceMissing": alert_adapter,
        "DigestDue": alert_adapter,
        "PriceVersionPublished": price_event_adapter,
        "PricesDefined": price_event_adapter,
        "ReservationRequested": reservation_event_adapter,
        "ReservationReleased": reservation_event_adapter,
    }
    return adapters[_event_of(path).name]


_Shared = (
    Alert
    | UsageEvent
    | BudgetEvent
    | DeadLetterEvent
    | DeliveryEvent
    | PriceEvent
    | ReservationEvent
)
_SHARED = (
    "UsageRec",
    "UsageCorr",
    "UsageRepr",
    "UsagePriced",
    "Charge",
    "BudgetDefined",
    "BudgetRemoved",
    "Plan",
    "DeadLetter",
    "Alert",
    "Price",
    "BudgetThreshold",
    "BudgetForecast",
    "SpendAnomaly",
    "SpendRecovered",
    "Digest",
    "ReservationRe",
)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name.startswith(_SHARED)], ids=_named
)
def test_topic_with_two_events_tells_them_apart(path: Path) -> None:
    """Where a topic carries two kinds of event, each is read back as its own kind."""
    adapter, text = _adapter_of(path), path.read_bytes()
    value = packed([text]) if adapter is charges_adapter else text

    read: _Shared | list[Charge] = adapter.validate_json(value)

    event = read[0] if isinstance(read, list) else read
    assert type(event) is _event_of(path).model


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.name.startswith("UsageNot")],
    ids=_named,
)
def test_golden_usage_that_was_not_understood_is_kept(path: Path) -> None:
    """The agent's own reader makes a dead letter of it, whose bytes are the event."""
    text = path.read_bytes()
    recorded = (V1 / "UsageRecorded.json").read_bytes()

    first, fault, last = read_record(packed([recorded, text, recorded]), NOON)

    assert isinstance(fault, Fault)
    assert fault.reason == "usage_not_understood"
    assert json.loads(fault.payload) == json.loads(text)
    assert first == last


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.name.startswith(("UsageCorr", "UsageRepr"))],
    ids=_named,
)
def test_golden_usage_is_read_from_a_record(path: Path) -> None:
    """The agent's own reader reads old usage, alone and beside other events."""
    text = path.read_bytes()
    recorded = (V1 / "UsageRecorded.json").read_bytes()

    alone = read_record(text, NOON)
    beside = read_record(packed([recorded, text, recorded]), NOON)

    assert [beside[1]] == list(alone)
    assert [type(event) is _event_of(path).model for event in alone] == [True]
