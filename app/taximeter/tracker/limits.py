"""How much may be spent, and what says no. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from taximeter.tracker.totals import ALL, Subject
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["Asking", "Limits", "Money", "exact_usd"]

Money = Decimal | int | float | str


@dataclass(frozen=True)
class Asking:
    """Who is about to make a call of which model, on which of the user's days."""

    user: str | None
    session: str | None
    model: str | None
    day: str


@dataclass(frozen=True)
class Limits:
    """What everything, each user, each session and each model may spend in USD."""

    budget: Decimal | None = None
    user_budget: Decimal | None = None
    user_daily_budget: Decimal | None = None
    session_budget: Decimal | None = None
    model_budget: Decimal | None = None

    def on(self, asking: Asking) -> Iterator[tuple[Subject, Decimal]]:
        """Yield the limits that a call falls under.

        A limit for each user is for those who are named: calls of nobody in
        particular only count for everything.
        """
        user, session, model = asking.user, asking.session, asking.model
        rows: list[tuple[Decimal | None, str | None, Subject]] = [
            (self.budget, "", ALL),
            (self.user_budget, user, ("user", user or "")),
            (self.user_daily_budget, user, ("user_day", user or "", asking.day)),
            (self.session_budget, session, ("session", session or "")),
            (self.model_budget, model, ("model", model or "")),
        ]
        for limit, name, subject in rows:
            if limit is not None and name is not None and name != UNATTRIBUTED:
                yield subject, limit


def exact_usd(name: str, given: Money | None) -> Decimal | None:
    """Return an amount digit by digit as it was written, a float's too.

    Raises:
        ConfigurationError: it is no amount, or below 0.

    >>> exact_usd("budget", 0.1), exact_usd("budget", "5"), exact_usd("budget", None)
    (Decimal('0.1'), Decimal('5'), None)
    """
    if given is None:
        return None
    try:
        usd = Decimal(str(given))
    except InvalidOperation:
        usd = Decimal("nan")
    if isinstance(given, bool) or not usd.is_finite() or usd < 0:
        raise ConfigurationError(f"{name}={given!r} is no amount in USD from 0 on")
    return usd
