"""The generated pages say what the events are today."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from taximeter.event_docs import EVENTS, DocumentedEvent, json_schema, main
from taximeter_schemas.fields import Event
from taximeter_schemas.topics import Topics

ROOT = Path(__file__).parents[2]


def _every_event_type(base: type[Event] = Event) -> set[type[Event]]:
    below = set(base.__subclasses__())
    found = below.union(*(_every_event_type(model) for model in below))
    return {
        model
        for model in found
        if "event_type" in model.model_fields
        and model.__module__.startswith("taximeter_schemas.")
    }


def test_generated_pages_are_fresh() -> None:
    """`docs/events/` is what the generator writes now."""
    outcome = CliRunner().invoke(main, ["--check", "--root", str(ROOT)])

    assert outcome.exit_code == 0, outcome.output


def test_stale_pages_are_noticed_and_renewed(tmp_path: Path) -> None:
    """A page that differs, is missing or is left over fails the check."""
    golden = tmp_path / "tests" / "contract"
    golden.mkdir(parents=True)
    (golden / "golden").symlink_to(ROOT / "tests" / "contract" / "golden")
    folder = tmp_path / "docs" / "events"
    run, root = CliRunner().invoke, ["--root", str(tmp_path)]
    run(main, root, catch_exceptions=False)
    (folder / "README.md").write_text("by hand")
    (folder / "DeadLetter.v1.schema.json").unlink()
    (folder / "Forgotten.v1.schema.json").write_text("{}")

    stale = run(main, ["--check", *root])
    run(main, root, catch_exceptions=False)
    fresh = run(main, ["--check", *root])

    assert stale.exit_code == 1
    for name in ("README.md", "DeadLetter.v1", "Forgotten.v1"):
        assert name in stale.output
    assert fresh.exit_code == 0
    assert not (folder / "Forgotten.v1.schema.json").exists()


def test_every_event_is_documented() -> None:
    """Whatever has an event type has a page."""
    assert {event.model for event in EVENTS} == _every_event_type()


def test_every_topic_carries_a_documented_event() -> None:
    """Only the workers' own tables hold rows that are not documented events."""
    topics = Topics()
    tables = {topics.spend_table.name, topics.budget_table.name}

    documented = {event.topic.name for event in EVENTS}

    assert documented == {topic.name for topic in topics.all} - tables


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_schema_is_a_valid_json_schema(event: DocumentedEvent) -> None:
    """What is generated is itself a correct JSON Schema, with an identity."""
    schema = json_schema(event)

    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:taximeter:event:{event.name}:v{event.version}"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_event_type_is_the_models_name(event: DocumentedEvent) -> None:
    """An event calls itself what its model and its page are called."""
    assert json_schema(event)["properties"]["event_type"]["const"] == event.name
