"""Every error that Taximeter raises on purpose.

::

    TaximeterError
    ├── ConfigurationError        a setting or a file that cannot be used as it is
    │   └── DataDirInUse          another instance holds the data directory
    ├── BrokerUnavailable         nothing answers at the bootstrap address
    ├── LedgerError
    │   ├── LedgerUnavailable     neither a file nor a serving sink to read from
    │   ├── LedgerTooNew          written by a newer version than this one
    │   ├── QueryRefused          more than reading, or more than one query
    │   └── QueryFailed           a wrong name or type in a query
    ├── PartFailed                a process of the system did not start
    ├── TakenOver                 another process has this one's task now
    ├── NotDelivered              a route's target did not accept a message
    ├── EventRefused              an emitter did not accept an event
    │   ├── BufferFull            the emitter's memory bound is reached
    │   ├── EventTooLarge         one event is larger than a record may be
    │   └── EmitterClosed         emit() after close()
    ├── BudgetExceeded            a limit is reached, and a call was refused for it
    │   └── ReservationDenied     a budget has no room for what a call may cost
    ├── ReservationUnanswered     nobody said whether a budget has room
    ├── BudgetUnknown             nobody knows how a budget stands that asks for it
    ├── UsageError                what a provider said of usage cannot be read
    │   ├── UnknownShape          no rules for a body of this shape
    │   └── UsageUnreadable       it contradicts itself, or states nothing
    └── NotReady                  asked too early: a part is still starting

Each carries its facts as attributes, and the next step in its words. Bad input is
not an error but a dead letter (`taximeter_schemas.dead_letters`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

__all__ = [
    "BrokerUnavailable",
    "BudgetExceeded",
    "BudgetUnknown",
    "BufferFull",
    "ConfigurationError",
    "DataDirInUse",
    "EmitterClosed",
    "EventRefused",
    "EventTooLarge",
    "LedgerError",
    "LedgerTooNew",
    "LedgerUnavailable",
    "NotDelivered",
    "NotReady",
    "PartFailed",
    "QueryFailed",
    "QueryRefused",
    "ReservationDenied",
    "ReservationUnanswered",
    "TakenOver",
    "TaximeterError",
    "UnknownShape",
    "UsageError",
    "UsageUnreadable",
    "subject_words",
]


class TaximeterError(Exception):
    """The root of the tree above."""


class ConfigurationError(TaximeterError):
    """A setting or a file cannot be used as it is."""


class DataDirInUse(ConfigurationError):
    """Another instance holds the data directory."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"data directory {path} is in use by {holder}: "
            "stop it, or give another directory with --data"
        )


class BrokerUnavailable(TaximeterError):
    """Nothing that speaks Kafka answers at the bootstrap address."""

    def __init__(self, bootstrap: str, reason: str = "") -> None:
        self.bootstrap = bootstrap
        self.reason = reason
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"no Kafka broker answers at {bootstrap}{because}: "
            "check the address, or start one with 'taximeter up'"
        )


class LedgerError(TaximeterError):
    """The DuckDB ledger cannot be used."""


class LedgerUnavailable(LedgerError):
    """There is neither a ledger file nor a sink that serves one."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"cannot read the ledger {path}: {reason}")


class LedgerTooNew(LedgerError):
    """The ledger file was written by a newer version of Taximeter."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        self.path = path
        self.found = found
        self.known = known
        super().__init__(
            f"ledger {path} has schema version {found}, this Taximeter knows up to "
            f"{known}: upgrade Taximeter, or name another ledger"
        )


class QueryRefused(LedgerError):
    """A query is more than reading, or more than one."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger is read-only: give exactly one SELECT (or FROM, WITH, "
            "DESCRIBE, SHOW, SUMMARIZE) over its own tables"
        )


class QueryFailed(LedgerError):
    """A query could be read but not answered: a wrong name, a wrong type."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the query failed: {reason}")


class PartFailed(TaximeterError):
    """A part did not start; carries the part's own last words."""

    def __init__(self, name: str, words: str, log: Path) -> None:
        self.name = name
        self.words = words
        self.log = log
        super().__init__(f"{name} did not start: {words} (log: {log})")


class TakenOver(TaximeterError):
    """Another process has begun to do what only one may do; this one has to end."""

    def __init__(self, task: str) -> None:
        self.task = task
        super().__init__(
            f"another process does {task} for this installation now: run only one, "
            "or give each installation its own --prefix"
        )


class NotDelivered(TaximeterError):
    """A route's target did not accept a message; `reason` holds no secret."""

    def __init__(self, route: str, reason: str) -> None:
        self.route = route
        self.reason = reason
        super().__init__(
            f"route {route}: not delivered: {reason}: check its target, "
            f"then try it with 'taximeter notify test {route}'"
        )


class EventRefused(TaximeterError):
    """An emitter did not accept an event; the call that it describes goes on."""


class BufferFull(EventRefused):
    """The emitter's memory bound is reached, usually because Kafka is away."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"the emitter already holds {limit} unsent events: check that Kafka "
            "is reachable, or raise the buffer limit"
        )


class EventTooLarge(EventRefused):
    """One event is larger than a record may be."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"event is {size_bytes} bytes, at most {limit_bytes} are accepted: "
            "shorten its tags and ids"
        )


class EmitterClosed(EventRefused):
    """An event was emitted after the emitter had been closed."""

    def __init__(self) -> None:
        super().__init__("the emitter is closed: make a new one")


class BudgetExceeded(TaximeterError):
    """A limit has been reached, so a call that would cost something was not made.

    `limit` (also called `budget`) is what may be spent, `spent` what stands against it,
    `estimate` what the call was thought to add, all of them in `unit`. `subject` is
    whose limit it is: ("all",), ("user", "ada"), ("user&model", "ada", "gpt-4o"), and
    for the tracker ("user_day", "ada", "2026-11-22"), too. A guard's budget has a
    `budget_id`, and `resets_at`, unless its period never ends.
    """

    def __init__(
        self,
        budget: Decimal,
        spent: Decimal,
        subject: tuple[str, ...] = ("all",),
        *,
        budget_id: str | None = None,
        estimate: Decimal | None = None,
        unit: str = "usd",
        resets_at: datetime | None = None,
    ) -> None:
        self.budget = self.limit = budget
        self.spent = spent
        self.subject = subject
        self.budget_id = budget_id
        self.estimate = estimate
        self.unit = unit
        self.resets_at = resets_at
        super().__init__(self._tracked() if budget_id is None else self._guarded())

    def _tracked(self) -> str:
        kind, *values = self.subject
        kind, names = kind.removesuffix("_day"), " on ".join(values)
        return (
            f"{'this program' if kind == 'all' else f'{kind} {names}'} has spent "
            f"{_plain(self.spent)} USD of a budget of {_plain(self.limit)} USD: "
            "raise the budget, or reset() the tracker"
        )

    def _guarded(self) -> str:
        more = self.estimate and f", and {_plain(self.estimate)} more are asked for"
        at = self.resets_at
        wait = at and f", or wait until {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return (
            f"budget {self.budget_id}: {subject_words(self.subject)} has spent "
            f"{_plain(self.spent)} of {_plain(self.limit)} "
            f"{'USD' if self.unit == 'usd' else self.unit}{more or ''}: "
            f"raise its limit{wait or ''}"
        )


class BudgetUnknown(TaximeterError):
    """Nobody knows how a budget stands, and it says that no call is made then.

    `budget_id` is None where the budgets themselves are not known yet.
    """

    def __init__(self, budget_id: str | None, reason: str) -> None:
        self.budget_id = budget_id
        self.reason = reason
        which = f"how budget {budget_id} stands" if budget_id else "the budgets"
        super().__init__(
            f"nobody knows {which}: {reason}: check with 'taximeter status' that "
            "everything runs and can be reached, or choose when_unknown: fail_open"
        )


def subject_words(subject: tuple[str, ...]) -> str:
    """Return a subject for people.

    >>> subject_words(("user&tag:team", "ada", "growth")), subject_words(("all",))
    ('user ada, tag:team growth', 'everybody')
    """
    if subject[0] == "all":
        return "everybody"
    kinds = subject[0].split("&")
    return ", ".join(f"{k} {name}" for k, name in zip(kinds, subject[1:], strict=True))


def _plain(amount: Decimal | None) -> str:
    return f"{(amount or Decimal(0)).normalize():f}"


class ReservationDenied(BudgetExceeded):
    """A budget has no room for what a call may cost, so it was not made.

    All amounts are in `unit`; `reserved` is held for calls that are under way. Of a
    limit in USD they are also called `spent_usd`, `reserved_usd`, `limit_usd` and
    `estimate_usd`; of any other those are 0.
    """

    def __init__(
        self,
        budget_id: str,
        subject: tuple[str, ...],
        *,
        spent: Decimal,
        reserved: Decimal,
        limit: Decimal,
        estimate: Decimal,
        unit: str = "usd",
    ) -> None:
        super().__init__(
            *(limit, spent, subject), budget_id=budget_id, estimate=estimate, unit=unit
        )
        self.reserved = reserved
        amounts = (spent, reserved, limit, estimate)
        in_usd = amounts if unit == "usd" else (Decimal(0),) * len(amounts)
        self.spent_usd, self.reserved_usd, self.limit_usd, self.estimate_usd = in_usd
        name = "USD" if unit == "usd" else unit
        name = name.removesuffix("s") if estimate == 1 else name
        room = f"room for {_plain(estimate)} {name}" if estimate else f"{name} left"
        self.args = (
            f"budget {budget_id} has no {room}: "
            f"{_plain(spent)} are spent and {_plain(reserved)} reserved of "
            f"{_plain(limit)}: raise the limit, or wait for its next period",
        )


class ReservationUnanswered(TaximeterError):
    """Nobody said in time whether budgets have room, and they are to be closed then."""

    def __init__(self, budget_ids: Sequence[str], seconds: float) -> None:
        self.budget_ids = tuple(budget_ids)
        self.seconds = seconds
        which = ", ".join(budget_ids) or "any budget"
        super().__init__(
            f"no worker answered for {which} within {seconds:g} s: check that workers "
            "run and Kafka is reachable, or define when_unknown: fail_open"
        )


class UsageError(TaximeterError):
    """What a provider said of a call's usage cannot be read."""


class UnknownShape(UsageError):
    """There are no rules for the shape of a body, or nobody can tell which it is.

    `name` is None where no shape was named; `candidates` are those that it could be.
    """

    def __init__(
        self, name: str | None, known: Sequence[str], candidates: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.known = tuple(known)
        self.candidates = tuple(candidates)
        what = (
            f"there is no usage shape {name!r}" if name else _unrecognised(candidates)
        )
        super().__init__(f"{what}: give shape= one of {', '.join(known)}")


def _unrecognised(candidates: Sequence[str]) -> str:
    could = f" (it could be {' or '.join(candidates)})" if candidates else ""
    return f"the shape of this body cannot be told from its fields{could}"


class UsageUnreadable(UsageError):
    """A body's usage contradicts itself, or states nothing, or is no usage.

    `usage_part` is what the body says of usage, as JSON has it and without any text
    that could be a prompt; None where it says nothing. `field` is what is wrong.
    """

    def __init__(
        self, shape: str, field: str, reason: str, usage_part: object = None
    ) -> None:
        self.shape = shape
        self.field = field
        self.reason = reason
        self.usage_part = usage_part
        super().__init__(
            f"usage of shape {shape} cannot be read: {field} {reason}; "
            "emit usage_not_understood(error, ...), which keeps it as a dead letter"
        )


class NotReady(TaximeterError):
    """A part was asked before it had started."""
