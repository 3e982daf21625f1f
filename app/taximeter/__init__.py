"""Taximeter: the running meter for LLM spend.

What a service needs is importable from here. The names are looked up when they are
first used, so that `import taximeter` costs next to nothing and never imports
litellm, faust or duckdb.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taximeter.applying_budgets import apply_budgets
    from taximeter.call_estimates import CallEstimates
    from taximeter.choosing import choose_model, longest_answer
    from taximeter.estimates import Estimate, Estimator, estimate
    from taximeter.litellm_guard import LiteLLMGuard
    from taximeter.notebook import NotebookLedger, open_ledger
    from taximeter.tracker import CostTracker
    from taximeter_producers import (
        BudgetGuard,
        BudgetMiddleware,
        BudgetWarning,
        Decision,
        Emitter,
        EmitterStats,
        KafkaEmitter,
        LiteLLMCallback,
        MemoryEmitter,
        Meter,
        Reservations,
        UsageReading,
        attribute,
        enforce,
        flush,
        instrument,
        metered,
        reading_from_response,
        start,
        stop,
        uninstrument,
        unwrap,
        usage_from_response,
        usage_from_stream,
        usage_not_understood,
        usage_recorded,
        wrap,
    )
    from taximeter_schemas.errors import (
        BudgetExceeded,
        BudgetUnknown,
        ReservationDenied,
        ReservationUnanswered,
    )
    from taximeter_schemas.topics import Topics
    from taximeter_schemas.usage import Usage, UsageCorrected, UsageRecorded

__all__ = [
    "BudgetExceeded",
    "BudgetGuard",
    "BudgetMiddleware",
    "BudgetUnknown",
    "BudgetWarning",
    "CallEstimates",
    "CostTracker",
    "Decision",
    "Emitter",
    "EmitterStats",
    "Estimate",
    "Estimator",
    "KafkaEmitter",
    "LiteLLMCallback",
    "LiteLLMGuard",
    "MemoryEmitter",
    "Meter",
    "NotebookLedger",
    "ReservationDenied",
    "ReservationUnanswered",
    "Reservations",
    "Topics",
    "Usage",
    "UsageCorrected",
    "UsageReading",
    "UsageRecorded",
    "apply_budgets",
    "attribute",
    "choose_model",
    "enforce",
    "estimate",
    "flush",
    "instrument",
    "longest_answer",
    "metered",
    "open_ledger",
    "reading_from_response",
    "start",
    "stop",
    "uninstrument",
    "unwrap",
    "usage_from_response",
    "usage_from_stream",
    "usage_not_understood",
    "usage_recorded",
    "wrap",
]

_HOMES = {
    "BudgetExceeded": "taximeter_schemas.errors",
    "BudgetUnknown": "taximeter_schemas.errors",
    "ReservationDenied": "taximeter_schemas.errors",
    "ReservationUnanswered": "taximeter_schemas.errors",
    "CallEstimates": "taximeter.call_estimates",
    "CostTracker": "taximeter.tracker",
    "choose_model": "taximeter.choosing",
    "longest_answer": "taximeter.choosing",
    "apply_budgets": "taximeter.applying_budgets",
    "NotebookLedger": "taximeter.notebook",
    "open_ledger": "taximeter.notebook",
    "Estimate": "taximeter.estimates",
    "Estimator": "taximeter.estimates",
    "LiteLLMGuard": "taximeter.litellm_guard",
    "estimate": "taximeter.estimates",
    "Topics": "taximeter_schemas.topics",
    "Usage": "taximeter_schemas.usage",
    "UsageCorrected": "taximeter_schemas.usage",
    "UsageRecorded": "taximeter_schemas.usage",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'taximeter' has no attribute {name!r}")
    value: object = getattr(
        import_module(_HOMES.get(name, "taximeter_producers")), name
    )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
