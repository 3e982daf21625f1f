"""Applying a file of budgets: from Python, and as `taximeter budgets apply` does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from taximeter.broker.admin import ensure_topics
from taximeter.budget_book import publish_budgets, read_book, this_person
from taximeter.budget_changes import Change, changes
from taximeter.budget_files import BudgetFile, parse_budgets
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.topics import Topics

__all__ = ["apply_budgets", "apply_wanted"]

Agrees = Callable[[Sequence[Change]], bool]
"""Is shown what would change; says whether it may."""


def apply_budgets(
    file: str | Path,
    *,
    bootstrap: str,
    topics: Topics | None = None,
    prune: bool = False,
    by: str | None = None,
) -> list[Change]:
    """Define the budgets of a YAML file; return what that changed.

    Args:
        file: its path.
        bootstrap: Kafka's address.
        topics: the installation's topics.
        prune: remove what the file does not name.
        by: who does it, for the history; without it, who runs the program.

    Raises:
        ConfigurationError: names each mistake in the file; nothing was defined.
        BrokerUnavailable: no broker answers.
    """
    now, who = SystemClock().now(), by or this_person()
    text = Path(file).read_text(encoding="utf-8")
    wanted = parse_budgets(text, str(file), now, who)
    return apply_wanted(wanted, bootstrap, topics or Topics(), who, prune=prune)


def apply_wanted(
    wanted: BudgetFile,
    bootstrap: str,
    topics: Topics,
    who: str,
    *,
    prune: bool = False,
    agrees: Agrees = lambda _: True,
) -> list[Change]:
    """Do what a file says, if `agrees` does; return what changed, nothing if not."""

    async def applied() -> list[Change]:
        await ensure_topics(bootstrap, topics)
        book, now = await read_book(bootstrap, topics), SystemClock().now()
        todo = changes(wanted, book, now, who, prune=prune)
        if not agrees(todo):
            return []
        events = [change.event for change in todo if change.event is not None]
        await publish_budgets(bootstrap, topics, events)
        return todo

    return asyncio.run(applied())
