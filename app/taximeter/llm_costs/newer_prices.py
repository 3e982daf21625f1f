"""A newer price list, and what it changes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from taximeter.llm_costs.logged_events import sold_as
from taximeter.price_changes import PriceChange, price_changes
from taximeter.price_publishing import list_version
from taximeter.price_sources import fetch_price_list
from taximeter_processors.own_layer import Entries
from taximeter_processors.price_faults import read_price_list
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PricesDefined

__all__ = ["PUBLISHED", "newer_list"]

PUBLISHED: Final = (
    "https://raw.githubusercontent.com/BerriAI/litellm/main/"
    "model_prices_and_context_window.json"
)
"""Where litellm publishes its list; nothing asks for it unless somebody says so."""


def newer_list(
    books: PriceBooks, source: str, now: datetime, model: str | None = None
) -> tuple[PricesDefined, list[PriceChange]]:
    """Return the version that a list is, in force from now on, and what it changes.

    Args:
        books: the prices so far.
        source: "installed", a file or a URL.
        now: the present moment.
        model: only what the list says of it.

    Raises:
        ConfigurationError: the list cannot be read, has a fault, or no such model.
    """
    file = fetch_price_list(source)
    entries, faults = read_price_list(file.content)
    if faults:
        raise ConfigurationError(
            f"{source} is refused: {len(faults)} faults, the first: {faults[0]}"
        )
    before = books.list_at(now)[1]
    after: Entries = entries
    if model is not None:
        after = {**before, **_of_model(entries, model)}
    version = list_version(books, after, file.release, file.content, now)
    return version, list(price_changes(before, after))


def _of_model(
    entries: dict[str, dict[str, object]], model: str
) -> dict[str, dict[str, object]]:
    provider, name = sold_as(model)
    keys = {model, name, f"{provider}/{name}"}
    found = {key: fields for key, fields in entries.items() if key in keys}
    if not found:
        raise ConfigurationError(f"the list has no model {model!r}")
    return found
