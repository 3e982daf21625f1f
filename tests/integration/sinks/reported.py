"""A ledger with a bit of everything that reports tell apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from taximeter_schemas.charges import Charge
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import Usage, UsageCorrected
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.builders import NOON, a_repricing, a_usage, an_id
from tests.unit.sinks.charge_builders import (
    a_charge,
    a_repriced_charge,
    an_adjustment,
    charges_record,
)

__all__ = ["CHARGES", "write_ledger"]

_USER: Final = {"user_id": "ada", "project_id": "search"}


def _call(number: int, cost: str | None, **facts: object) -> Charge:
    event = a_usage(event_id=an_id("call", number), **(_USER | facts))
    return a_charge(0, number, 0, cost, event)


_FIXED: Final = a_repriced_charge(
    a_repricing(reprices=an_id("call", 4), model="new", **_USER), offset=6
)
_LESS: Final = an_adjustment(
    Usage(text_output_tokens=200),
    Usage(text_output_tokens=100),
    "-0.5",
    offset=7,
    corrects=an_id("call", 1),
)

CHARGES: Final[Sequence[Charge]] = (
    _call(0, "1", tags={"team": "growth"}, conversation_id="c-1", prompt_hash="p"),
    _call(1, "2.5", tags={"team": "growth"}, conversation_id="c-1", endpoint="/chat"),
    _call(
        2, "3", user_id="bob", occurred_at=NOON - timedelta(days=2), endpoint="/chat"
    ),
    _call(3, None, model="nobody-knows", user_id="bob"),
    _call(4, None, model="new", status="error"),
    _call(5, "0.000000000001", project_id="ads", prompt_hash="p"),
    _FIXED,
    _LESS.model_copy(
        update={
            "corrected": UsageCorrected.model_validate(
                (_LESS.corrected or _LESS).model_dump()
                | _USER
                | {"tags": {"team": "growth"}}
            )
        }
    ),
)
"""Six calls: 1 is corrected to cost 2 in all, 3 has no price, 4 got one of 0.003."""


def write_ledger(path: Path, charges: Sequence[Charge] = CHARGES) -> Path:
    """Write charges into a new ledger file, as the sink does."""
    sink = DuckDBSink(path, Topics())
    sink.add([charges_record([charge], n) for n, charge in enumerate(charges)])
    asyncio.run(sink.flush())
    sink.close()
    return path
