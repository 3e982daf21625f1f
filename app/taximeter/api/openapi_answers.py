"""What answers look like, as the OpenAPI document shows them.

FastAPI leaves what is null out of the examples of models, so they stand here.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from taximeter.api.alerts import AlertInFull, Alerts
from taximeter.api.budgets import Standings
from taximeter.api.definitions import Limits, Plan, Set
from taximeter.api.forecast import Forecast
from taximeter.api.guard import Known
from taximeter.api.health import Health
from taximeter.api.missing_prices import MissingPrices
from taximeter.api.raw import RawRecorded
from taximeter.api.recording import Recorded
from taximeter.api.reservations import Reserved
from taximeter.api.spend import SpendReport
from taximeter.api.spend_now import SpendNow
from taximeter.api.system import SystemHealth

__all__ = ["EXAMPLES"]

_MONTH: Final = {
    "period_start": "2026-11-01T00:00:00Z",
    "period_end": "2026-12-01T00:00:00Z",
}
_SUMS: Final = {
    "cost_usd": "12.345678900000",
    "calls": 1200,
    "unpriced_calls": 0,
    "input_tokens": 1500000,
    "output_tokens": 380000,
    "list_cost_usd": "13.717421000000",
    "markup_usd": "-1.371742100000",
    "unlisted_calls": 0,
}
_UNPRICED: Final = {
    **_SUMS,
    "cost_usd": None,
    "calls": 3,
    "unpriced_calls": 3,
    "list_cost_usd": None,
    "markup_usd": None,
    "unlisted_calls": 3,
}
_ALERT: Final = {
    "alert_id": "5b1c7a0e-6f43-5c0e-9a52-0f6b2f1d9e11",
    "event_type": "BudgetThresholdCrossed",
    "raised_at": "2026-11-22T12:00:01.250000Z",
    "words": "team: project search has spent 80.02 of 100.00 USD "
    "(month from 1 Nov 2026, 00:00)",
    "budget_id": "team",
    "subject_kind": "project",
    "subject_id": "search",
    "period": "month",
    **_MONTH,
    "threshold_percent": 80,
    "limit_usd": "100.000000000000",
    "spent_usd": "80.020000000000",
}
_STANDING: Final = {
    "budget_id": "search-monthly",
    "subject_kind": "project",
    "subject_id": "search",
    "period": "month",
    **_MONTH,
    "limit_usd": "100.000000000000",
    "limit_tokens": None,
    "limit_calls": None,
    "spent_usd": "72.400000000000",
    "remaining_usd": "27.600000000000",
    "tokens": 8210332,
    "state": "within",
    "calls": 10211,
    "unpriced_calls": 0,
    "unit": "usd",
    "remaining": "27.600000000000",
    "reserved": "0.000000000000",
    "used_percent": "72.4",
    "days_left": "8.50",
    "average_a_day": "3.367442",
    "projected": "101.120000",
    "projected_low": "94.870000",
    "projected_high": "107.930000",
    "crosses_at": "2026-11-30T15:00:00Z",
}
_EXPECTED: Final = {
    **_MONTH,
    "spent_usd": "812.500000",
    "projected_usd": "1103.120000",
    "projected_low_usd": "1011.400000",
    "projected_high_usd": "1190.870000",
    "project": "search",
}
_MISSING: Final = {
    "provider": "openai",
    "model": "gpt-next",
    "service_tier": "standard",
    "reason": "unknown_model",
    "calls": 1204,
    "input_tokens": 981200,
    "output_tokens": 120031,
    "first_seen": "2026-11-20T08:01:00Z",
    "last_seen": "2026-11-22T11:59:12Z",
}
_KAFKA: Final = {"ok": True, "detail": "answers at 127.0.0.1:9092"}
_LEDGER: Final = {"ok": True, "detail": "answers"}
_PART: Final = {
    "name": "worker-1",
    "running": True,
    "version": "0.1.0",
    "started_at": "2026-11-22T08:00:00Z",
    "memory_bytes": 211812352,
    "last_flush_at": "2026-11-22T11:59:59Z",
    "waiting_records": 0,
}
_DEFINED: Final = {
    "id": "search-monthly",
    "scope": {"project": "search"},
    "fields": {"period": "month", "limit_usd": "100"},
}
_HELD: Final = {
    "budget_id": "search-monthly",
    "unit": "usd",
    "spent": "72.400000000000",
    "reserved": "0.050000000000",
    "limit": "100.000000000000",
    "spent_usd": "72.400000000000",
    "reserved_usd": "0.050000000000",
    "limit_usd": "100.000000000000",
    "expires_at": "2026-11-22T12:10:00Z",
}
_REFUSED: Final = {
    "index": 2,
    "reason": "invalid_event",
    "detail": "usage.text_input_tokens: Input should be greater than or equal to 0",
}
_DAY: Final = "2026-11-22T00:00:00Z"

EXAMPLES: Final[dict[type[BaseModel], dict[str, Any]]] = {
    Recorded: {"accepted": 2, "rejected": 1, "errors": [_REFUSED]},
    RawRecorded: {
        "accepted": 1,
        "rejected": 0,
        "errors": [],
        "event_ids": ["0199f3c2-7a11-7c3e-9d2a-5b8f0a1c2d3e"],
    },
    SpendReport: {
        "by": ["user"],
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-12-01T00:00:00Z",
        "time_zone": "UTC",
        "total": {**_SUMS, "calls": 1203, "unpriced_calls": 3, "unlisted_calls": 3},
        "rows": [{**_SUMS, "user": "alice"}, {**_UNPRICED, "user": "bob"}],
        "next_offset": None,
    },
    SpendNow: {
        "time_zone": "UTC",
        "stretches": {"today": {**_SUMS, "start": _DAY, "end": None}},
        "changed_percent": {"yesterday_so_far": "12.5", "last_week_so_far": None},
    },
    Forecast: {
        "period": "month",
        "by": "project",
        "time_zone": "UTC",
        "rows": [_EXPECTED],
        "next_offset": None,
    },
    Standings: {"budgets": [_STANDING], "next_offset": None},
    Alerts: {"alerts": [_ALERT], "next_offset": 100},
    AlertInFull: {
        **_ALERT,
        "top_models": [{"name": "gpt-4o", "spent_usd": "61.300000000000"}],
        "top_users": [{"name": "alice", "spent_usd": "44.120000000000"}],
    },
    MissingPrices: {"missing": [_MISSING], "next_offset": None},
    Limits: {"budgets": [_DEFINED], "plans": {"alice": "pro", "*": "free"}},
    Set: {"action": "changed", "changes": "limit_usd 5 → 7"},
    Plan: {"plan": "pro"},
    Known: {"budgets": [], "plans": [], "statuses": []},
    Health: {"status": "ok", "parts": {"kafka": _KAFKA, "ledger": _LEDGER}},
    SystemHealth: {
        "kafka": _KAFKA,
        "ledger": _LEDGER,
        "parts": [_PART],
        "open_dead_letters": 0,
    },
    Reserved: {
        "reservation_id": "0199f3c2-7a11-7c3e-9d2a-5b8f0a1c2d3e",
        "estimate_usd": "0.050000000000",
        "budgets": [_HELD],
        "unheld": [],
    },
}
"""One for each model that answers are of; a test holds them to the models."""
