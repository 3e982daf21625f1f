"""Own prices: the most specific one, marked up exactly, whatever is stated."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.scopes import Scope, scope_of
from tests.own_pricing import LISTED, a_book, a_call

PROJECTS = st.sampled_from([None, "a", "b"])
TAGS = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"))
SCOPES = st.builds(scope_of, PROJECTS, TAGS)
PERCENTS = st.decimals(-100, 1000, places=4)
PRICES = st.decimals(0, 100, places=14)
COUNTS = st.integers(0, 10**9)


def row(scope: Scope, **stated: object) -> dict[str, Any]:
    """Return a row for a scope."""
    return {"project": scope.project_id, "tag": dict(scope.tags), **stated}


def rounded(usd_per_million: Decimal, count: int, factor: Fraction) -> int:
    """Return what so many tokens cost in pico-dollars, rounded once, half-even."""
    return round(Fraction(usd_per_million) * 10**6 * factor * count)


@given(PRICES, PRICES, PERCENTS, COUNTS, COUNTS)
def test_a_mark_up_is_rounded_once_with_the_price(
    input_usd: Decimal, output_usd: Decimal, percent: Decimal, sent: int, made: int
) -> None:
    """Each class of tokens is price times mark-up times count, exactly."""
    price = {"input_per_million": input_usd, "output_per_million": output_usd}
    everybody = scope_of(None, {})
    book = a_book(
        {"provider": "acme", "model": "m", **price},
        row(everybody, markup_percent=percent),
    )
    counts = {"text_input_tokens": sent, "text_output_tokens": made}
    found = a_call(book, counts=counts)
    factor = 1 + Fraction(percent) / 100
    assert found.input_pico == rounded(input_usd, sent, factor)
    assert found.output_pico == rounded(output_usd, made, factor)
    assert found.listed is not None
    assert found.listed.pico == 10_000_000 * sent + 30_000_000 * made


@given(st.lists(SCOPES, unique=True, max_size=8), st.sampled_from("ab"), TAGS)
def test_the_most_specific_scope_wins(
    scopes: list[Scope], project: str, tags: dict[str, str]
) -> None:
    """The last of those that name most of the call; without any, the list."""
    rows = [
        row(scope, provider="acme", model="m", input_per_million=number)
        for number, scope in enumerate(scopes, start=100)
    ]
    found = a_call(a_book(*rows), project=project, tags=tags)
    fitting = [
        (
            len(scope.tags) + (scope.project_id is not None),
            bool(scope.project_id),
            number,
        )
        for number, scope in enumerate(scopes, start=100)
        if scope.project_id in (None, project)
        if set(scope.tags) <= set(tags.items())
    ]
    assert found.input_pico == max(fitting, default=(0, False, 10))[2] * 10**12
    assert (found.listed is None) == (not fitting)


@given(st.lists(st.tuples(SCOPES, PERCENTS), max_size=6), st.sampled_from("ab"), TAGS)
def test_the_quick_way_and_the_rules_agree(
    markups: list[tuple[Scope, Decimal]], project: str, tags: dict[str, str]
) -> None:
    """What a call is charged is what an estimate by rules alone says."""
    book = a_book(
        *(row(s, markup_percent=percent) for s, percent in dict(markups).items())
    )
    counts = {"text_input_tokens": 12_345, "text_output_tokens": 678}
    found = a_call(book, project=project, tags=tags, counts=counts)
    chosen = book.choice.choose(
        "acme", "m", None, book.choice.scopes_of("acme", "m").covering(project, tags)
    )
    assert chosen is not None
    for side, name, count in (
        (found.input_pico, "input_cost_per_token", 12_345),
        (found.output_pico, "output_cost_per_token", 678),
    ):
        usd = Fraction(Decimal(str(LISTED["m"][name])))
        assert side == round(usd * 10**12 * chosen.factor * count)
