"""What raises one alert of every kind in a running system, on whatever day it is."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from taximeter_processors.windows import window_start
from taximeter_schemas.usage import Usage, UsageCorrected, UsageRecorded
from tests.builders import a_usage, an_id

__all__ = ["KINDS", "SETTINGS", "budgets", "calls", "correction"]

SETTINGS: Final = {
    "TAXIMETER_DIGESTS": "day,week",
    "TAXIMETER_ANOMALY_SUBJECTS": "project",
}
KINDS: Final = Counter(
    {
        "BudgetThresholdCrossed": 1,
        "BudgetForecastExceeded": 1,
        "SpendAnomalyDetected": 1,
        "SpendRecovered": 1,
        "PriceMissing": 1,
        "DigestDue": 2,
    }
)
"""What `calls`, `budgets` and, once the threshold is crossed, `correction` raise."""

_THREE_USD: Final = Usage(text_input_tokens=1_000_000)
_DAY: Final = timedelta(days=1)
_A_MOMENT: Final = timedelta(minutes=15)


def _eve(at: datetime, **overrides: object) -> UsageRecorded:
    facts = {"user_id": "eve", "project_id": "odd", "usage": _THREE_USD}
    return a_usage(occurred_at=at, **(facts | overrides))


def calls(now: datetime) -> list[UsageRecorded]:
    """Return 15 USD of Eve's now, after 3 USD in each of three weeks and yesterday.

    Fred's call is one that `correction` undoes.
    """
    # Digests are about the day and the week that ended a quarter of an hour ago.
    past = [timedelta(weeks=n) for n in (1, 2, 3)] + [_DAY]
    return [
        *(_eve(now - _A_MOMENT - ago) for ago in past),
        *(_eve(now) for _ in range(5)),
        _eve(now, model="nobody-knows"),
        _eve(now, event_id=an_id("fred"), user_id="fred", project_id="search"),
    ]


def budgets(now: datetime) -> str:
    """Return two budgets: Eve's, which 27 USD are near to, and Fred's of 2 USD."""
    start = datetime.fromtimestamp(window_start(now - 23 * _DAY), now.tzinfo)
    fixed = f"starts_at: {start.isoformat()}, ends_at: {start + 45 * _DAY}"
    return f"""
budgets:
  - {{id: eve, scope: {{user: eve}}, period: fixed, {fixed.replace("+00:00", "Z")},
     limit_usd: 28, thresholds_percent: [100], alert_on_forecast: true}}
  - {{id: fred, scope: {{user: fred}}, period: total, limit_usd: 2,
     thresholds_percent: [100]}}
"""


def correction(now: datetime) -> UsageCorrected:
    """Return that Fred's call has used nothing."""
    call = calls(now)[-1].model_dump(include={"provider", "model", "user_id"})
    return UsageCorrected.model_validate(
        {
            **call,
            "event_type": "UsageCorrected",
            "event_id": an_id("corrected"),
            "corrects": an_id("fred"),
            "occurred_at": now,
            "project_id": "search",
            "old_usage": _THREE_USD,
            "new_usage": Usage(),
            "reason": "it was not billed",
        }
    )
