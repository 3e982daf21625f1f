"""A whole page to look at: a month of calls in a ledger that is served, and the API.

The sink and the API are the real ones; what Kafka would bring is handed to the sink.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final

import uvicorn
from pydantic import BaseModel

from taximeter.api.app import create_app
from taximeter.state import DataDir, Presence
from taximeter_schemas.charges import Charge
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.subjects import Scope
from taximeter_schemas.topics import Topic, Topics
from taximeter_schemas.usage import Usage
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.quack import serve, stop_serving
from tests.alerting import a_crossing
from tests.builders import NOON, a_usage, an_id
from tests.guarding import a_budget, a_status, status_key
from tests.unit.sinks.charge_builders import a_charge, charges_record
from tests.waiting import eventually

__all__ = ["NO_KAFKA", "PageSystem", "a_call", "a_month", "served_page", "serving_api"]

NO_KAFKA: Final = "127.0.0.1:1"

_MODELS: Final = (
    ("claude-sonnet-4-5", "anthropic", 30, "0.0213"),
    ("gpt-4o", "openai", 22, "0.0141"),
    ("gemini-2.5-pro", "google", 12, "0.0117"),
    ("claude-haiku-4-5", "anthropic", 14, "0.0052"),
    ("gpt-4o-mini", "openai", 25, "0.0011"),
    ("mistral-large-latest", "mistral", 6, "0.0068"),
    ("deepseek-chat", "deepseek", 9, "0.0009"),
    ("command-r-plus", "cohere", 3, "0.0093"),
    ("acme-preview", "acme", 2, None),
)
_USERS: Final = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
_USERS_MORE: Final = ("ivan", "judy", "unattributed")
_PROJECTS: Final = ("search", "support-bot", "checkout", "docs-qa", "research")
_TEAMS: Final = {"search": "growth", "checkout": "growth", "research": "science"}
_OFFSETS: Final = count(1)
_PACKED: Final = 500


class PageSystem:
    """A ledger that is written and served, and the API in front of it."""

    def __init__(self, data: DataDir, topics: Topics, clock: ManualClock) -> None:
        self.data = data
        self.topics = topics
        self.clock = clock
        self.url = ""
        self.sink = DuckDBSink(data.ledger, topics)

    def charge(self, *charges: Charge) -> None:
        """Let the ledger take charges in, as it would from Kafka."""
        for first in range(0, len(charges), _PACKED):
            self.sink.add([_record(charges[first : first + _PACKED])])
        self._flush()

    def tell(self, topic: Topic, *events: tuple[bytes, BaseModel]) -> None:
        """Let the ledger take other events in."""
        self.sink.add(
            [
                RawRecord(
                    topic.name, 0, next(_OFFSETS), key, event.model_dump_json().encode()
                )
                for key, event in events
            ]
        )
        self._flush()

    def _flush(self) -> None:
        # In a thread of its own: a browser that is driven has a loop in this one.
        with ThreadPoolExecutor(1) as alone:
            alone.submit(lambda: asyncio.run(self.sink.flush())).result()

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Answer a query from the very file that the page is made from."""
        return self.sink.ledger.cursor().execute(query).fetchall()


def a_call(cost_usd: str | None, **facts: object) -> Charge:
    """Return the charge of one call."""
    return a_charge(cost_usd=cost_usd, recorded=a_usage(**facts))


def a_month(calls: int = 3000, seed: int = 7, days: int = 35) -> list[Charge]:
    """Return calls of the days until noon, more by day than by night."""
    dice = random.Random(seed)
    weights = [model[2] for model in _MODELS]
    moments = sorted(_moment(dice, days) for _ in range(calls))
    return [_some_call(dice, at, dice.choices(_MODELS, weights)[0]) for at in moments]


def _record(charges: Sequence[Charge]) -> RawRecord:
    """Return one record of charges, later in its partition than all before it."""
    offset = next(_OFFSETS)
    placed = [
        charge.model_copy(update={"source_offset": offset, "source_position": place})
        for place, charge in enumerate(charges)
    ]
    return charges_record(placed, offset)


def _moment(dice: random.Random, days: int) -> datetime:
    while True:
        at = NOON - timedelta(seconds=dice.random() ** 1.15 * days * 86400)
        busy = 0.25 + 0.75 * (1 - abs(at.hour - 14) / 14)
        if dice.random() < busy * (0.45 if at.weekday() >= 5 else 1):
            return at


def _some_call(
    dice: random.Random, at: datetime, model: tuple[str, str, int, str | None]
) -> Charge:
    name, provider, _, price = model
    size = dice.lognormvariate(0, 0.7)
    project = dice.choices(_PROJECTS, (9, 6, 4, 3, 2))[0]
    users = dice.choices((_USERS, _USERS_MORE), (9, 1))[0]
    tokens = int(1400 * size)
    cost = (
        None if price is None else str(round(Decimal(price) * Decimal(size) * 90, 12))
    )
    return a_call(
        cost,
        event_id=an_id("page", at, dice.random()),
        occurred_at=at,
        model=name,
        provider=provider,
        user_id=dice.choices(users, range(len(users), 0, -1))[0],
        project_id=project,
        endpoint=dice.choice(("/answer", "/summary", None)),
        tags={"team": _TEAMS.get(project, "support")},
        usage=Usage(text_input_tokens=tokens * 60, text_output_tokens=tokens * 12),
    )


def _month() -> dict[str, object]:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    end = datetime(2026, 12, 1, tzinfo=UTC)
    return {"period": "month", "period_start": start, "period_end": end}


def _tell_budgets(system: PageSystem) -> None:
    """Let the ledger know of budgets, of how they stand by its sums, and of alerts."""
    wanted = (
        ("company", Scope(), "7000", ("all", "")),
        ("search", Scope(project="search"), "2000", ("project", "search")),
        (
            "support-bot",
            Scope(project="support-bot"),
            "900",
            ("project", "support-bot"),
        ),
        ("alice", Scope(user="alice"), "900", ("user", "alice")),
    )
    for name, scope, limit, (kind, subject) in wanted:
        where = {"all": "true", "project": "project_id", "user": "user_id"}[kind]
        same = "" if kind == "all" else f" = '{subject}'"
        ((spent, calls),) = system.sql(
            "SELECT coalesce(sum(cost_usd), 0), count(*) FROM charges "
            f"WHERE {where}{same} AND occurred_at >= '2026-11-01'"
        )
        share = spent / Decimal(limit)
        state = (
            "exceeded"
            if share >= 1
            else "warning"
            if share >= Decimal("0.8")
            else "within"
        )
        budget = a_budget(budget_id=name, scope=scope, period="month", limit_usd=limit)
        status = a_status(
            budget_id=name,
            subject_kind=kind,
            subject_id=subject,
            spent_usd=str(spent),
            limit_usd=limit,
            remaining_usd=str(Decimal(limit) - spent),
            calls=calls,
            state=state,
            **_month(),
        )
        system.tell(system.topics.budgets, (name.encode(), budget))
        system.tell(system.topics.budget_status, (status_key(status), status))
    system.tell(system.topics.budget_alerts, *_alerts())


def _alerts() -> Sequence[tuple[bytes, BaseModel]]:
    facts: tuple[dict[str, object], ...] = (
        {"budget_id": "alice", "threshold_percent": 100, "limit_usd": "900",
         "spent_usd": "900.03", "raised_at": NOON - timedelta(hours=26)},
        {"budget_id": "search", "subject_kind": "project", "subject_id": "search",
         "threshold_percent": 80, "limit_usd": "2000", "spent_usd": "1602.40",
         "raised_at": NOON - timedelta(hours=3)},
    )  # fmt: skip
    return [(b"a", a_crossing(**(_month() | more))) for more in facts]


@contextmanager
def served_page(folder: Path, charges: Sequence[Charge]) -> Iterator[PageSystem]:
    """Give a system that shows these charges at noon, and whatever comes after."""
    system = PageSystem(DataDir(folder), Topics(), ManualClock(NOON))
    system.charge(*charges)
    _tell_budgets(system)
    served = serve(system.sink.ledger, "localhost", 0, system.data.quack_token())
    try:
        with Presence(system.data, "sink", NO_KAFKA) as presence:
            presence.ready(quack=served.uri)
            with serving_api(system.data, system.clock) as system.url:
                yield system
    finally:
        stop_serving(system.sink.ledger, served)
        system.sink.close()


@contextmanager
def serving_api(data: DataDir, clock: ManualClock, **more: Any) -> Iterator[str]:  # noqa: ANN401
    """Give the address of an API, in a thread of this process."""
    app = create_app(
        bootstrap=NO_KAFKA, topics=Topics(), data=data, clock=clock, **more
    )
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2)
    )
    app.state.closing = lambda: server.should_exit
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
