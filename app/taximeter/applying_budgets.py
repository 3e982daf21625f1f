"""Budgets from Python: apply a file of them, as `taximeter budgets apply` does."""

from __future__ import annotations

import asyncio
from pathlib import Path

from taximeter.broker.admin import ensure_topics
from taximeter.budget_book import publish_budgets, read_book, this_person
from taximeter.budget_changes import Change, changes
from taximeter.budget_files import parse_budgets
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.topics import Topics

__all__ = ["apply_budgets"]


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
    now = SystemClock().now()
    text = Path(file).read_text(encoding="utf-8")
    wanted = parse_budgets(text, str(file), now, by or this_person())

    async def applied() -> list[Change]:
        at = topics or Topics()
        await ensure_topics(bootstrap, at)
        todo = changes(wanted, await read_book(bootstrap, at), now, prune=prune)
        events = [change.event for change in todo if change.event is not None]
        await publish_budgets(bootstrap, at, events)
        return todo

    return asyncio.run(applied())
