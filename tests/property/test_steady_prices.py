"""A price that is looked up once is the price that is looked up every time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.circumstances import Occurrence
from taximeter_processors.price_book import litellm_price_file
from taximeter_processors.pricing import PriceBook
from tests.builders import NOON
from tests.own_pricing import LISTED, a_book, a_layer

ENTRIES = litellm_price_file().entries()
NAMES = sorted(
    (str(entry["litellm_provider"]), key.removeprefix(f"{entry['litellm_provider']}/"))
    for key, entry in ENTRIES.items()
    if "litellm_provider" in entry
)
TIERS = st.sampled_from(["standard", "flex", "priority", "batch"])
TOKENS = st.sampled_from([1, 7, 128_000, 128_001, 200_001, 10**6])
UNITS = (
    "text_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "text_output_tokens",
    "reasoning_output_tokens",
    "web_searches",
    "image_count",
)
USED = st.dictionaries(st.sampled_from(UNITS), TOKENS, max_size=4)
CALLS = st.builds(
    Occurrence,
    st.integers(0, 24 * 7).map(lambda hours: NOON + timedelta(hours=hours)),
    st.sampled_from([None, "eu-central-1", "us", "europe-west1"]),
    st.sampled_from([None, 0, 1_500]),
    st.sampled_from([None, "gpt-4o", "m", "unheard-of"]),
    st.sampled_from([None, "1024x1024"]),
    search_context_size=st.sampled_from([None, "low", "high"]),
    project_id=st.sampled_from(["a", "b"]),
    tags=st.sampled_from([{}, {"team": "growth"}]),
)
SCOPES = st.sampled_from([{}, {"project": "a"}, {"tag": {"team": "growth"}}])
STATED = st.sampled_from(
    [
        {"markup_percent": 10},
        {"model": "m", "discount_percent": 25},
        {"model": "m", "input_per_million": 2},
        {"model": "of-mine", "input_per_million": 2, "output_per_million": 3},
    ]
)
ROWS = st.lists(
    st.builds(lambda at, what: {"provider": "acme", **at, **what}, SCOPES, STATED),
    max_size=3,
    unique_by=lambda row: (row.get("project"), str(row.get("tag")), row.get("model")),
)
OFF_PEAK: dict[str, Any] = {
    "cheap-at-night": {
        **LISTED["m"],
        "off_peak_pricing": {
            "input_cost_per_token": "1e-6",
            "windows": [{"hours_utc": "02:00-14:00"}],
        },
    },
    "timed": {"litellm_provider": "acme", "input_cost_per_second": "0.1"},
}
LATER = timedelta(days=3, hours=5), 12_345


def agree(
    book: PriceBook, names: tuple[str, str, str], call: Occurrence, used: dict[str, int]
) -> bool:
    """Hold the steady price of a call against the book; tell whether it had one."""
    steady = book.steady(*names, call)
    if steady is None:
        return False
    after, duration = LATER
    other = call._replace(occurred_at=call.occurred_at + after, duration_ms=duration)
    found = [(one, steady.of(used)) for one in (call, other)]
    for one, priced in found:
        assert priced in (None, book.price_counts(*names, used, one))
    return found[0][1] is not None


THE_LIST = PriceBook(ENTRIES, "list")


@given(st.sampled_from(NAMES), TIERS, CALLS, USED)
def test_every_model_of_the_list(
    name: tuple[str, str], tier: str, call: Occurrence, used: dict[str, int]
) -> None:
    """At whatever moment, however long it takes: what the book says, or nothing."""
    agree(THE_LIST, (*name, tier), call, used)


@given(ROWS, st.sampled_from(["m", "n", "of-mine", "other"]), CALLS, USED)
def test_prices_of_ones_own(
    rows: list[dict[str, Any]], model: str, call: Occurrence, used: dict[str, int]
) -> None:
    """What is charged and what the list says, of whatever project and tags."""
    agree(a_book(*rows), ("acme", model, "standard"), call, used)


def test_ordinary_calls_have_one() -> None:
    """A chat has a steady price, listed or marked up; a long one takes the rules."""
    used = {"text_input_tokens": 10, "text_output_tokens": 3}
    call = Occurrence(NOON)
    markup = a_book({"provider": "acme", "model": "m", "markup_percent": 10})
    assert agree(THE_LIST, ("openai", "gpt-4o", "standard"), call, used)
    assert agree(markup, ("acme", "m", "standard"), call, used)
    assert agree(markup, ("acme", "unheard-of", "standard"), call, used)
    unlisted = a_book(
        {"provider": "acme", "model": "of-mine", "input_per_million": 2}
        | {"output_per_million": 3}
    )
    assert agree(unlisted, ("acme", "of-mine", "standard"), call, used)
    long = {"text_input_tokens": 200_001}
    assert not agree(THE_LIST, ("google", "gemini-2.5-pro", "standard"), call, long)


def test_what_the_moment_decides_is_not_steady() -> None:
    """Off-peak prices and what is sold by time are looked up for each call."""
    book = PriceBook(OFF_PEAK | LISTED, "v", a_layer())
    steady = {
        model: book.steady("acme", model, "standard", Occurrence(NOON)) is not None
        for model in ("cheap-at-night", "timed", "m")
    }
    assert steady == {"cheap-at-night": False, "timed": False, "m": True}
