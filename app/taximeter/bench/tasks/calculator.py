"""Reference: life without Taximeter, a price and a SQLite row for each call."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from litellm import ModelResponse

__all__ = ["run"]

_MODEL: Final = "gpt-4o"
_WARM_UP: Final = 20

_TABLE: Final = """
CREATE TABLE spend (
    event_id TEXT, occurred_at TEXT, user_id TEXT, project_id TEXT, session_id TEXT,
    provider TEXT, model TEXT, input_tokens INTEGER, output_tokens INTEGER,
    cost_usd REAL, duration_ms INTEGER, status TEXT
)
"""
_INSERT: Final = f"INSERT INTO spend VALUES ({', '.join('?' * 12)})"  # noqa: S608


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Price, insert and commit `calls` calls, one after the other."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    responses = [_response(number) for number in range(_WARM_UP + facts["calls"])]
    with closing(sqlite3.connect(facts["file"])) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_TABLE)
        _record(database, responses[:_WARM_UP])
        started = perf_counter()
        _record(database, responses[_WARM_UP:])
        return {"calls_per_second": facts["calls"] / (perf_counter() - started)}


def _record(database: sqlite3.Connection, responses: list[ModelResponse]) -> None:
    from litellm import completion_cost  # noqa: PLC0415 - after its setting

    for number, response in enumerate(responses):
        cost = completion_cost(completion_response=response, model=_MODEL)
        database.execute(_INSERT, _row(number, response.id, cost))
        database.commit()


def _row(number: int, response_id: str, cost: float) -> tuple[object, ...]:
    user, project = f"user-{number % 2_000:06d}", f"project-{number % 50:03d}"
    return (
        *(response_id, "2026-11-22T12:00:00.123456Z", user, project),
        *(f"session-{number // 20:08d}", "openai", _MODEL),
        *(900 + number % 1_700, 120 + number % 480, cost, 850, "ok"),
    )


def _response(number: int) -> ModelResponse:
    from litellm import ModelResponse, Usage  # noqa: PLC0415 - after its setting

    sent, answered = 900 + number % 1_700, 120 + number % 480
    usage = Usage(
        prompt_tokens=sent,
        completion_tokens=answered,
        total_tokens=sent + answered,
    )
    return ModelResponse(id=f"chatcmpl-{number:08d}", model=_MODEL, usage=usage)
