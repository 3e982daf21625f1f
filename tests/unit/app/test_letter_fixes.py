"""Corrected events as a file: what it says, and what is no such file."""

from __future__ import annotations

from io import BytesIO

import pytest

from taximeter.letters.fixes import Fixes, one_fix, read_fixes
from taximeter_schemas.errors import ConfigurationError


def _read(text: str) -> Fixes:
    return read_fixes(BytesIO(text.encode()), "fixed.ndjson")


def test_each_line_is_an_event_of_its_letter() -> None:
    """Lines of the same letter are several events, in their order; blanks are none."""
    fixes = _read(
        '{"dead_letter_id": "u:0:1", "event": {"event_id": "a"}}\n\n'
        '{"dead_letter_id": "u:0:2", "event": {"event_id": "b"}}\n'
        '{"dead_letter_id": "u:0:1", "event": {"event_id": "c"}}\n'
    )
    assert fixes == {
        "u:0:1": [{"event_id": "a"}, {"event_id": "c"}],
        "u:0:2": [{"event_id": "b"}],
    }


def test_an_array_is_several_events() -> None:
    """What a packed record held can be given back as the array that it was."""
    assert one_fix("u:0:1", b'[{"event_id": "a"}, {"event_id": "b"}]') == {
        "u:0:1": [{"event_id": "a"}, {"event_id": "b"}]
    }


@pytest.mark.parametrize("event", [b'{"model": "m"}', b'{"event_id": null}'])
def test_an_event_without_an_id_gets_the_same_one_each_time(event: bytes) -> None:
    """The id stands for the letter and the place, so a retry repeats it."""
    (first,) = one_fix("u:0:1", event)["u:0:1"]
    assert isinstance(first, dict)
    assert first["event_id"]
    assert one_fix("u:0:1", event)["u:0:1"] == [first]
    (other,) = one_fix("u:0:2", event)["u:0:2"]
    assert isinstance(other, dict)
    assert other["event_id"] != first["event_id"]
    two = one_fix("u:0:1", b"[%b, %b]" % (event, event))["u:0:1"]
    assert two[0] == first
    assert two[1] != first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{broken", "fixed.ndjson, line 1: "),
        ("\n7", "fixed.ndjson, line 2: "),
        ('{"dead_letter_id": "u:0:1"}', "event: Field required"),
        ('{"dead_letter_id": "", "event": {}}', "dead_letter_id: "),
        ('{"dead_letter_id": "u", "event": {}, "more": 1}', "more: Extra inputs"),
        ('"' + "x" * 2_000_000 + '"', "line 1: over 1048576 bytes"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, words: str) -> None:
    """Nothing of it is taken; the answer names the line and what is wrong with it."""
    with pytest.raises(ConfigurationError) as refused:
        _read(text)
    assert words in str(refused.value)


def test_an_event_that_is_no_json_is_refused() -> None:
    """The answer says what was given wrongly."""
    with pytest.raises(ConfigurationError, match="--event is not JSON"):
        one_fix("u:0:1", b"{broken")
