"""The log of the `llm` tool becomes events: those that `llm costs` prices."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from taximeter.imports.context import Context
from taximeter.imports.kinds import kind_named
from taximeter.imports.outcomes import Wanted, outcomes
from tests.importing import NOW, events_in, refusals_in

COLUMNS = (
    "id, model, conversation_id, duration_ms, datetime_utc, input_tokens, "
    "output_tokens, token_details, resolved_model"
)
DETAILS = '{"prompt_tokens_details": {"cached_tokens": 40}}'


def _log(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as log:
        log.execute(f"CREATE TABLE responses ({COLUMNS})")
        for call_id, model in (("01jx", "gpt-4o-mini"), ("01jy", None)):
            row = (call_id, model, "c1", 120, "2025-05-01T10:00:00", 100, 20, DETAILS)
            log.execute(
                "INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)", row
            )
        log.commit()
    return path


def test_a_logged_call_is_an_event_and_a_row_without_a_model_is_refused(
    tmp_path: Path,
) -> None:
    """What was cached is apart, and the time is that of the call."""
    kind = kind_named("llm", None)
    files = kind.opened([_log(tmp_path / "logs.db")], None)
    context = Context(lambda _: "unknown", NOW)
    found = [
        outcome
        for entry in files.entries()
        for outcome in outcomes(entry, kind, context, Wanted("llm"))
    ]
    (event,) = events_in(found)
    assert (event.provider, event.model, event.source) == (
        "openai",
        "gpt-4o-mini",
        "llm",
    )
    assert event.occurred_at.isoformat() == "2025-05-01T10:00:00+00:00"
    assert (event.usage.text_input_tokens, event.usage.cache_read_tokens) == (60, 40)
    assert refusals_in(found) == ["it names no model"]
    assert files.done == files.total
