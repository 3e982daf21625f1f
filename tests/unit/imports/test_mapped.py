"""Any CSV, or lines of JSON, with a mapping become events."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.imports.kinds import kind_named
from taximeter.imports.mapped import ColumnMap, read_mapping
from taximeter_schemas.errors import ConfigurationError
from tests.builders import an_id
from tests.importing import LOGS, events_in, judged, refusals_in

NEEDED = ("occurred_at=t", "model=m", "input_tokens=i")


def _columns(*more: str) -> ColumnMap:
    return read_mapping(None, (*NEEDED, *more))


def test_a_file_of_the_mapping_says_it_all() -> None:
    """Fields, constants and the time zone of a YAML file make events of a CSV."""
    columns = read_mapping(LOGS / "gateway.yaml", ())
    found = judged("csv", "gateway.csv", columns=columns)
    first, second = events_in(found)
    assert first.occurred_at.isoformat() == "2026-10-05T09:00:00+00:00"
    assert (first.user_id, first.project_id, first.tags) == (
        "ada",
        "gateway",
        {"team": "growth"},
    )
    usage = first.usage.model_dump(exclude_defaults=True)
    assert usage == {
        "text_input_tokens": 60,
        "cache_read_tokens": 40,
        "text_output_tokens": 20,
    }
    assert first.provider_cost_usd == Decimal("0.00002")
    assert second.tags == {}
    assert refusals_in(found) == [
        "occurred_at 'yesterday' is no moment",
        "input_tokens: is 10, less than 40 read from a cache and 0 written to one",
    ]


def test_a_row_without_an_id_is_known_by_what_it_says(tmp_path: Path) -> None:
    """The same row is the same event, in whichever file and place it stands."""
    row = {"t": "2026-10-05", "m": "gpt-4o-mini", "i": 3}
    other = row | {"i": 4}
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text(f"{json.dumps(row)}\n{json.dumps(other)}\n")
    two.write_text(f"{json.dumps(other)}\n\n{json.dumps(row)}\n")
    ids = [e.event_id for e in events_in(judged("jsonl", one, columns=_columns()))]
    again = [e.event_id for e in events_in(judged("jsonl", two, columns=_columns()))]
    assert ids == again[::-1]
    assert len(set(ids)) == 2


def test_ids_are_kept_or_hashed(tmp_path: Path) -> None:
    """A UUID is the event's id; any other id of the log's is part of a hash."""
    mine = an_id()
    file = tmp_path / "log.csv"
    file.write_text(f"id,t,m,i\n{mine},2026-10-05,gpt-4o,1\nr-1,2026-10-05,gpt-4o,1\n")
    columns = _columns("event_id=id")
    kept, hashed = events_in(judged("csv", file, columns=columns))
    assert kept.event_id == mine
    assert hashed == events_in(judged("csv", file, columns=columns))[1]


def test_units_beside_tokens_can_be_mapped(tmp_path: Path) -> None:
    """Images, and seconds with their fractions, have columns as well."""
    file = tmp_path / "log.csv"
    file.write_text("t,m,n,s\n2026-10-05,gpt-4o,2,1.25\n")
    fields = (
        "occurred_at=t",
        "model=m",
        "usage.image_count=n",
        "usage.audio_seconds=s",
    )
    (event,) = events_in(judged("csv", file, columns=read_mapping(None, fields)))
    assert (event.usage.image_count, event.usage.audio_seconds) == (2, Decimal("1.25"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("occurred_at",), "'occurred_at' is not field=column"),
        ((*NEEDED, "colour=c"), "'colour' is no field of an event"),
        (("occurred_at=t", "input_tokens=i"), "nothing says which column is model"),
        (("model=m", "input_tokens=i"), "nothing says which column is occurred_at"),
        (("model=m", "occurred_at=t"), "no column says what was used"),
    ],
)
def test_a_mapping_that_makes_no_events_is_refused(
    given: tuple[str, ...], words: str
) -> None:
    """Before a row is read, the mapping says what it lacks."""
    with pytest.raises(ConfigurationError, match=words):
        read_mapping(None, given)


def test_a_broken_file_of_the_mapping_is_named(tmp_path: Path) -> None:
    """What is no mapping is an error with the file's name."""
    file = tmp_path / "mapping.yaml"
    for text in ("fields: [1]", "colour: red", "fields: {", "\x00"):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match="is no mapping"):
            read_mapping(file, ())


def test_kinds_with_columns_of_their_own_take_no_mapping() -> None:
    """A mapping is for csv and jsonl, which need one."""
    with pytest.raises(ConfigurationError, match="columns of its own"):
        kind_named("litellm", _columns())
    with pytest.raises(ConfigurationError, match="needs a mapping"):
        kind_named("csv", None)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """A head line without a mapped column refuses each row, and says which."""
    file = tmp_path / "log.csv"
    file.write_text("when,m,i\n2026-10-05,gpt-4o,1\n")
    assert refusals_in(judged("csv", file, columns=_columns())) == ["has no column 't'"]
