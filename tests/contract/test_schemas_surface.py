"""What other packages may rely on in the schemas: names, topics, frozen shapes."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

import pytest
from pydantic import ValidationError

import taximeter_schemas
from taximeter.event_docs import EVENTS, DocumentedEvent
from taximeter_schemas.fields import Event
from taximeter_schemas.topics import Topics

MODULES = [
    import_module(f"taximeter_schemas.{module.name}")
    for module in pkgutil.iter_modules(taximeter_schemas.__path__)
]

DAYS_14 = {"cleanup.policy": "delete", "retention.ms": "1209600000"}
DAY_1 = {"cleanup.policy": "delete", "retention.ms": "86400000"}
FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1"}
COMPACTED = {"cleanup.policy": "compact"}
READ_BACK = COMPACTED | {
    "segment.bytes": "16777216",
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.3",
    "delete.retention.ms": "3600000",
}

TOPICS = {
    "taximeter.usage": (4, DAYS_14 | {"message.timestamp.type": "LogAppendTime"}),
    "taximeter.charges": (4, DAYS_14 | {"max.message.bytes": "8388608"}),
    "taximeter.spend": (4, DAYS_14 | {"max.message.bytes": "8388608"}),
    "taximeter.budgets": (1, COMPACTED),
    "taximeter.prices": (1, COMPACTED | {"message.timestamp.type": "LogAppendTime"}),
    "taximeter.budget-status": (4, READ_BACK),
    "taximeter.reservation-answers": (4, DAY_1),
    "taximeter.budget-alerts": (4, FOR_EVER),
    "taximeter.deliveries": (1, COMPACTED),
    "taximeter.dead-letters": (1, FOR_EVER | {"max.message.bytes": "16777216"}),
    "taximeter.spend-table": (4, READ_BACK),
    "taximeter.budget-table": (4, READ_BACK),
}


def _defined_in(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_can_be_imported(module: ModuleType) -> None:
    """Every name in a module's `__all__` is there."""
    missing = [name for name in module.__all__ if not hasattr(module, name)]

    assert not missing


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_are_complete(module: ModuleType) -> None:
    """A class or function without a leading underscore is in `__all__`."""
    assert _defined_in(module) - set(module.__all__) == set()


def test_topics_are_what_installations_have() -> None:
    """Names, partitions and settings of topics are the ones that brokers hold already.

    A change here is a migration of everybody's broker: plan it, then edit this.
    """
    found = {topic.name: (topic.partitions, topic.config) for topic in Topics().all}

    assert found == TOPICS


def test_two_prefixes_never_share_a_topic() -> None:
    """Two installations on one broker have no topic in common."""
    ours = {topic.name for topic in Topics(prefix="ours.").all}
    theirs = {topic.name for topic in Topics(prefix="theirs.").all}

    assert len(ours) == len(theirs) == len(TOPICS)
    assert ours.isdisjoint(theirs)


def test_partitions_are_a_setting_of_what_is_spread() -> None:
    """The number of partitions asked for holds for usage and all that follows it."""
    counts = {topic.name: topic.partitions for topic in Topics(partitions=12).all}

    assert counts == {
        name: 12 if partitions == 4 else 1 for name, (partitions, _) in TOPICS.items()
    }


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_event_cannot_be_changed(event: DocumentedEvent) -> None:
    """A fact in the past cannot be assigned to."""
    built = event.model.model_construct()

    with pytest.raises(ValidationError, match="frozen"):
        setattr(built, next(iter(event.model.model_fields)), "something else")


@pytest.mark.parametrize("model", [Event, *(event.model for event in EVENTS)])
def test_event_refuses_unknown_fields(model: type[Event]) -> None:
    """A misspelt field is an error, not silence."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model.model_validate({"surprise": 1})
