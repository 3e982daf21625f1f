"""What another list, or a price of one's own, changes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from taximeter.own_entries import own_layer
from taximeter.own_prices import OwnFile, OwnPrice, parse_own_prices
from taximeter.price_changes import price_changes, summary, telling
from taximeter.price_publishing import list_version, own_versions
from taximeter_processors.own_layer import OwnLayer
from taximeter_processors.price_book import litellm_price_books
from taximeter_processors.price_versions import Entries, PriceBooks
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.usage import Usage
from tests.builders import NOON


def an_entry(usd: str, **more: object) -> dict[str, object]:
    """Return an entry of acme's: output costs three times this price of input."""
    return {
        "litellm_provider": "acme",
        "input_cost_per_token": Decimal(usd),
        "output_cost_per_token": 3 * Decimal(usd),
        **more,
    }


OLD: Entries = {"a": an_entry("1e-6"), "b": an_entry("2e-6"), "gone": an_entry("3e-6")}
NEW: Entries = {
    "a": an_entry("0.000001", mode="chat"),
    "b": an_entry("2e-6") | {"input_cost_per_token": Decimal("1e-6")},
    "new": an_entry("5e-7", input_cost_per_token_flex=Decimal("1e-7")),
}


def test_every_price_that_differs_is_told() -> None:
    """Old and new stand in USD a million; what only looks different is not told."""
    changes = price_changes(OLD, NEW)
    assert [(c.change, c.model, c.price, c.old_usd, c.new_usd) for c in changes] == [
        ("cheaper", "b", "input_cost_per_token", 2, 1),
        ("removed", "gone", "input_cost_per_token", 3, None),
        ("removed", "gone", "output_cost_per_token", 9, None),
        ("added", "new", "input_cost_per_token", None, Decimal("0.5")),
        ("added", "new", "output_cost_per_token", None, Decimal("1.5")),
        ("added", "new", "input_cost_per_token_flex", None, Decimal("0.1")),
    ]
    assert summary(changes) == "models: 1 added, 1 removed, 0 dearer, 1 cheaper"
    assert len(list(telling(changes))) == 5


def test_a_price_that_was_not_stated_is_neither_dearer_nor_cheaper() -> None:
    """What becomes of the call depends on what it fell back to."""
    (change,) = price_changes({"m": {}}, {"m": {"ocr_cost_per_page": "0.5"}})
    assert change.change == "other"
    assert (change.unit, change.new_usd) == ("one", Decimal("0.5"))


def test_a_version_carries_only_what_differs() -> None:
    """Read again, the list is the new one, entry by entry."""
    books = PriceBooks(OLD, "v1")
    event = list_version(books, NEW, "v2", b"content", NOON)
    assert event.base == "v1"
    assert event.entries.keys() == {"a", "b", "gone", "new"}
    books.learn(event, NOON)
    assert books.list_at(NOON) == (event.price_version, NEW)
    again = list_version(books, NEW, "v2", b"content", NOON)
    assert not again.entries
    assert again.price_version == f"{event.price_version}.2"


def test_the_whole_installed_list_goes_through_an_event() -> None:
    """No digit of any entry is lost on the way."""
    books = litellm_price_books()
    _, installed = books.list_at(NOON)
    empty = PriceBooks({}, "v1")
    empty.learn(list_version(empty, installed, "v2", b"", NOON), NOON)
    assert empty.list_at(NOON)[1] == installed


def stated(*prices: OwnPrice) -> Entries:
    """Return what own prices state for everybody, over the old list."""
    return entries_of(OwnFile(list(prices)), OLD)


def entries_of(own: OwnFile, listed: Entries) -> Entries:
    """Return what a file states for everybody, over a list."""
    found = own_layer(own, listed, OwnLayer(), NOON).entries
    return {key: fields for key, fields in found.items() if fields is not None}


def cost(entries: Entries, model: str, provider: str = "acme") -> Decimal | None:
    """Return what a million tokens in, a million out and a million cached cost."""
    usage = Usage(
        text_input_tokens=10**6, text_output_tokens=10**6, cache_read_tokens=10**6
    )
    priced = PriceBook(entries, "v").price_usage(provider, model, "standard", usage)
    if priced.input_pico is None or priced.output_pico is None:
        return None
    return Decimal(priced.input_pico + priced.output_pico) / 10**12


@pytest.mark.parametrize(
    ("model", "price", "usd"),
    [
        ("a", {"input_per_million": "0.3", "output_per_million": "0.4"}, "1"),
        ("our", {"input_per_million": 1, "output_per_million": 2}, "4"),
        (
            "our",
            {
                "input_per_million": 1,
                "output_per_million": 0,
                "cache_read_per_million": "0.1",
            },
            "1.1",
        ),
        ("our", {"free": True}, "0"),
        ("a", {"discount_percent": "10"}, "4.5"),
        ("a", {"discount_percent": 100}, "0"),
    ],
)
def test_own_prices_take_the_place_of_the_list(
    model: str, price: dict[str, object], usd: str
) -> None:
    """A model of the list or not: the price is the one that was set, 0 too."""
    own = OwnPrice.model_validate({"provider": "acme", "model": model} | price)
    entries = {**OLD, **stated(own)}
    assert cost(entries, model) == Decimal(usd)
    assert cost(entries, "b") == cost(OLD, "b")
    assert cost(entries, model, "other") is None


def test_a_providers_discount_is_on_every_price_it_lists() -> None:
    """Tables and tiers too; what is no price stays, and a later line wins."""
    listed: Entries = {
        "acme/t": an_entry(
            "1e-6",
            tiered_pricing=[{"range": [0, 8], "input_cost_per_token": Decimal("2e-6")}],
            search_context_cost_per_query={"search_context_size_low": "0.02"},
            max_tokens=8,
        ),
        "x/other": {"litellm_provider": "x", "input_cost_per_token": "1e-6"},
    }
    text = """
prices:
  - {provider: acme, discount_percent: 25}
  - {provider: acme, model: mine, input_per_million: 0.30, output_per_million: 0}
"""
    own = parse_own_prices(text, "p.yaml")
    entries = entries_of(own, listed)
    assert entries.keys() == {"acme/t", "acme/mine"}
    entry = entries["acme/t"]
    assert entry["input_cost_per_token"] == Decimal("7.5e-7")
    assert entry["tiered_pricing"] == [
        {"range": [0, 8], "input_cost_per_token": Decimal("1.5e-6")}
    ]
    assert entry["search_context_cost_per_query"] == {
        "search_context_size_low": Decimal("0.015")
    }
    assert entry["max_tokens"] == 8
    assert entries["acme/mine"]["input_cost_per_token"] == Decimal("3e-7")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prices: [", "not YAML"),
        ("price: []", "a list of prices under 'prices:' is needed"),
        ("prices: []", "has no list of prices"),
        ("prices: [{provider: a, model: m}]", "price 1: give"),
        ("prices: [{provider: a, free: true}]", "a price is for a model"),
        ("prices: [{provider: a, model: m, input_per_million: -1}]", "input_per_m"),
        ("prices: [{provider: a, model: m, free: true, nonsense: 1}]", "nonsense"),
        ("prices: [{provider: a, discount_percent: 101}]", "discount_percent"),
        (
            "prices: [{provider: a, model: m, free: true, input_per_million: 1}]",
            "one of them",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, words: str) -> None:
    """Which entry, which field, and what is wrong."""
    with pytest.raises(ConfigurationError) as refused:
        parse_own_prices(text, "p.yaml")
    assert str(refused.value).startswith("p.yaml: ")
    assert words in str(refused.value)


def test_a_discount_on_nothing_is_a_mistake() -> None:
    """A provider that the list does not have gets no silent nothing."""
    with pytest.raises(ConfigurationError, match="no price for 'any model'"):
        stated(OwnPrice(provider="nobody", discount_percent=Decimal(1)))


def test_own_prices_outlive_a_later_list() -> None:
    """They lie over whichever list is in force."""
    books = PriceBooks(OLD, "v1")
    own = OwnFile([OwnPrice(provider="acme", model="a", free=True)])
    (version,) = own_versions(books, own, "tests", NOON)
    books.learn(version, NOON)
    later = NOON + timedelta(days=1)
    books.learn(list_version(books, NEW, "v2", b"", later), NOON)
    name, entries = books.entries_at(later)
    assert name == "v2-e3b0c442"
    assert cost(entries, "a") == 0
    assert cost(entries, "new") is not None
