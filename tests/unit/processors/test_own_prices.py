"""Which price a call gets where somebody has prices of their own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from taximeter_processors.charging import amounts_of
from taximeter_processors.own_layer import OwnLayer, own_layer_of
from taximeter_processors.price_versions import PriceBooks
from taximeter_processors.pricing import Listed, PriceBook
from taximeter_schemas.prices import PricesDefined
from taximeter_schemas.usage import Usage, UsageCorrected
from tests.builders import NOON, an_id
from tests.own_pricing import LISTED, MILLION, a_book, a_call, a_layer, usd_of

Row = dict[str, Any]
ACME: Row = {"provider": "acme", "model": "m"}


def fixed(usd: object, **scope: object) -> Row:
    """Return a price of so many dollars a million input tokens of acme's m."""
    return {**ACME, "input_per_million": usd, **scope}


ROWS = (
    fixed(9),
    fixed(8, tag={"team": "growth"}),
    fixed(7, project="search"),
    fixed(6, tag={"team": "growth", "env": "prod"}),
    fixed(5, project="search", tag={"team": "growth"}),
)
GROWTH = {"team": "growth"}


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]])
@pytest.mark.parametrize(
    ("project", "tags", "usd", "match"),
    [
        ("ads", {}, 9, "m"),
        ("ads", GROWTH, 8, "m (tags)"),
        ("search", {}, 7, "m (project)"),
        ("ads", {**GROWTH, "env": "prod", "x": "y"}, 6, "m (tags)"),
        ("search", GROWTH, 5, "m (project and tags)"),
        ("search", {"team": "core"}, 7, "m (project)"),
    ],
)
def test_the_price_of_the_most_specific_scope_wins(
    rows: tuple[Row, ...], project: str, tags: dict[str, str], usd: int, match: str
) -> None:
    """What names more of the call, wherever it stands; and the charge says so."""
    found = a_call(a_book(*rows), project=project, tags=tags)
    assert usd_of(found) == (usd, 10)
    assert found.price_match == match


def test_of_equal_scopes_the_one_stated_last_wins() -> None:
    """Two tags that both fit a call: the later price."""
    rows = (fixed(8, tag={"team": "growth"}), fixed(4, tag={"env": "prod"}))
    tags = {"team": "growth", "env": "prod"}
    assert usd_of(a_call(a_book(*rows), tags=tags))[0] == 4
    assert usd_of(a_call(a_book(*rows[::-1]), tags=tags))[0] == 8


def test_calls_out_of_scope_have_the_lists_price() -> None:
    """As if there were no own prices: nothing is said of another cost."""
    found = a_call(a_book(fixed(7, project="search")), project="ads")
    assert (usd_of(found)[0], found.listed, found.price_match) == (10, None, "m")


def test_a_scope_may_have_what_the_list_has_not() -> None:
    """A model that only one project has a price for is unknown to the others."""
    book = a_book({**fixed(2, project="search"), "model": "ours"})
    assert usd_of(a_call(book, "ours")) == (2, None)
    assert a_call(book, "ours").listed == Listed(None)
    assert a_call(book, "ours", "ads").unpriced_reason == "unknown_model"


MARKUPS: tuple[Row, ...] = (
    {"markup_percent": 10},
    {"provider": "acme", "markup_percent": 20},
    {**ACME, "markup_percent": 30},
    {"project": "search", "markup_percent": 40},
    {"project": "search", "provider": "acme", "markup_percent": 0},
)


@pytest.mark.parametrize("rows", [MARKUPS, MARKUPS[::-1]])
@pytest.mark.parametrize(
    ("call", "usd", "listed"),
    [
        ({"model": "m", "provider": "other", "project": "ads"}, "7.7", 7),
        ({"model": "n", "project": "ads"}, 6, 5),
        ({"model": "m", "project": "ads"}, 13, 10),
        ({"model": "m", "provider": "other"}, "9.8", 7),
        ({"model": "m"}, 10, 10),
    ],
)
def test_one_mark_up_is_on_top_the_most_specific_one(
    rows: tuple[Row, ...], call: Row, usd: object, listed: int
) -> None:
    """Scope first, then model, then provider; 0 is a mark-up; none adds to another."""
    found = a_call(a_book(*rows), **call)
    assert usd_of(found) == (Decimal(str(usd)), listed)


def test_a_mark_up_is_on_whatever_price_applies() -> None:
    """The list's, a discounted one, a project's own; below 0 it takes off."""
    rows = ({**ACME, "discount_percent": 50}, fixed(4, project="search"))
    book = a_book(*rows, {"markup_percent": -25})
    assert usd_of(a_call(book, project="ads")) == (Decimal("3.75"), 10)
    assert usd_of(a_call(book)) == (3, 10)
    assert usd_of(a_call(book, "n")) == (Decimal("3.75"), 5)


def test_what_a_price_does_not_state_is_unpriced_beside_its_list_cost() -> None:
    """Unpriced is not free, and what the list would say is known all the same."""
    counts = {"text_output_tokens": MILLION}
    found = a_call(a_book(fixed(9)), counts=counts)
    assert found.unpriced_reason == "unpriced_unit"
    assert usd_of(found) == (None, 30)


GPU: Row = {"provider": "vllm", "model": "our-llama", "gpu_second": "0.0006"}


def test_gpu_seconds_are_the_calls_own_time() -> None:
    """Seconds times GPUs times price; what is done in them costs nothing more."""
    book = a_book({**GPU, "gpus": 4})
    used = {"text_input_tokens": 10, "audio_seconds": 3, "image_count": 1, "pages": 2}
    where: Row = {"provider": "vllm", "counts": used}
    found = a_call(book, "our-llama", **where, duration_ms=2_500)
    assert usd_of(found) == (Decimal("0.006"), None)
    untimed = a_call(book, "our-llama", **where)
    assert untimed.unpriced_reason == "unpriced_unit"
    idle = a_call(a_book({**GPU, "gpu_second": 0}), "our-llama", **where, duration_ms=9)
    assert usd_of(idle) == (0, None)


def test_a_free_model_is_free_whatever_it_counts() -> None:
    """An explicit 0 is a price, of every unit."""
    book = a_book({"provider": "vllm", "model": "ours", "free": True})
    for unit in Usage.model_fields:
        assert usd_of(a_call(book, "ours", provider="vllm", counts={unit: 3}))[0] == 0


def test_a_price_of_ones_own_is_for_every_size() -> None:
    """The list's price of an image by its size is no match for one's own."""
    sized = {
        "pics": {"litellm_provider": "acme", "output_cost_per_image": Decimal(4)},
        "10-x-10/pics": {"litellm_provider": "acme", "output_cost_per_image": 9},
    }
    shown: Row = {"counts": {"image_count": 1}, "image_size": "10x10"}
    listed = PriceBook({**LISTED, **sized}, "v")
    assert usd_of(a_call(listed, "pics", **shown)) == (9, 9)
    own = a_layer({"provider": "acme", "model": "pics", "per_image": 2})
    assert usd_of(a_call(PriceBook(sized, "v", own), "pics", **shown)) == (2, 9)
    dearer = a_layer({"project": "search", "markup_percent": 100})
    assert usd_of(a_call(PriceBook(sized, "v", dearer), "pics", **shown)) == (18, 9)


ALIASES = {"our-chat": "acme/m", "azure/prod-1": "other/m", "arn:x/y": "acme/n"}


@pytest.mark.parametrize(
    ("provider", "model", "usd", "match"),
    [
        ("azure", "our-chat", 10, "m (alias)"),
        ("bedrock", "Our-Chat", 10, "m (alias)"),
        ("azure", "prod-1", 7, "other/m (alias)"),
        ("azure.ai.openai", "prod-1", 7, "other/m (alias)"),
        ("bedrock", "arn:x/y", 5, "n (alias)"),
        ("bedrock", "prod-1", None, None),
    ],
)
def test_an_alias_says_what_a_name_means(
    provider: str, model: str, usd: int | None, match: str | None
) -> None:
    """At any provider, or at the one that it names; the list's price is the price."""
    found = a_call(a_book(aliases=ALIASES), model, provider=provider)
    assert (*usd_of(found), found.price_match) == (usd, usd, match)


def test_an_alias_gets_the_price_of_ones_own() -> None:
    """Names are settled first, then for whom and marked up by what."""
    rows = (fixed(4, project="search"), {"provider": "azure", "markup_percent": 50})
    found = a_call(a_book(*rows, aliases=ALIASES), "our-chat", provider="azure")
    assert (usd_of(found), found.price_match) == ((6, 10), "m (alias, project)")


def test_an_answers_model_gets_the_price_of_its_project() -> None:
    """A private name that is priced by what answered has its scope, too."""
    found = a_call(a_book(fixed(4, project="search")), "dep", response_model="m")
    assert usd_of(found) == (4, 10)
    assert found.price_match == "m (project) (response model)"


def test_a_correction_says_both_differences() -> None:
    """New minus old at one's own price, and at the list's."""
    correction = UsageCorrected(
        event_id=an_id("correction"),
        event_type="UsageCorrected",
        occurred_at=NOON,
        provider="acme",
        model="m",
        project_id="search",
        corrects=an_id("corrected"),
        old_usage=Usage(text_input_tokens=3 * MILLION),
        new_usage=Usage(text_input_tokens=MILLION),
        reason="it was so",
    )
    amounts = amounts_of(correction, a_book(fixed(4, project="search")))
    assert amounts.cost_pico == -8 * 10**12
    assert amounts.listed == Listed(-20 * 10**12)


def test_models_without_own_prices_go_the_quick_way() -> None:
    """Nothing is looked up in their circumstances, as before."""
    book = a_book(
        fixed(4, project="search"), {"provider": "other", "free": True, "model": "x"}
    )
    a_call(book, "n")
    assert book._prices["acme", "n", "standard"].varies is None
    a_call(book, "m")
    assert book._prices["acme", "m", "standard"].varies is not None


def own(name: str, start: int, **stated: Any) -> PricesDefined:  # noqa: ANN401
    """Return a version of own prices from so many hours on."""
    return PricesDefined(
        event_type="PricesDefined",
        price_version=name,
        effective_from=NOON + timedelta(hours=start),
        layer="own",
        source="tests",
        content_hash="0",
        models=0,
        entries={},
        **stated,
    )


def test_what_is_stated_later_lies_over_what_was_stated_before() -> None:
    """Scope by scope, mark-up by mark-up, name by name; null takes one away."""
    entry = '{"litellm_provider":"acme","input_cost_per_token":1e-6}'
    scoped = [{"project_id": "search", "entries": {"m": entry, "n": entry}}]
    markups = [{"percent": "50"}, {"project_id": "search", "percent": "100"}]
    first = own("a", 1, scoped=scoped, markups=markups, aliases={"x": "acme/m"})
    later = own(
        "b",
        2,
        scoped=[{"project_id": "search", "entries": {"m": None}}],
        markups=[{"percent": None}],
        aliases={"x": None},
    )
    books = PriceBooks(LISTED, "list")
    for version in (later, first):
        books.learn(version, NOON)
    hour = timedelta(hours=1)

    def usd(hours: int, model: str, project: str) -> object:
        return usd_of(a_call(books.book_at(NOON + hours * hour), model, project))[0]

    assert [usd(1, "m", "search"), usd(1, "n", "search"), usd(1, "m", "ads")] == [
        2,
        2,
        15,
    ]
    assert [usd(2, "m", "search"), usd(2, "n", "search"), usd(2, "m", "ads")] == [
        20,
        2,
        10,
    ]
    assert [usd(1, "x", "ads"), usd(2, "x", "ads")] == [15, None]
    assert [version for _, version, _ in books.own_after(NOON + hour)] == ["b"]


def test_a_version_that_states_nothing_readable_in_a_scope_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged; the prices in force stay."""
    books = PriceBooks(LISTED, "list")
    books.learn(own("a", 0, scoped=[{"tags": {"a": "b"}, "entries": {"m": "["}}]), NOON)
    assert books.book_at(NOON).version == "list"
    assert "price version a is left out: entry 'm'" in caplog.text


def test_a_layer_is_what_its_event_says() -> None:
    """Nothing is lost between one and the other."""
    layer = own_layer_of(own("a", 0, markups=[{"provider": "acme", "percent": "12.5"}]))
    book = PriceBook(LISTED, "v", layer.over(OwnLayer()))
    assert usd_of(a_call(book)) == (Decimal("11.25"), 10)
