"""Prices of one's own as people write them into a file."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from taximeter.moments import parse_moment
from taximeter.own_changes import changed_again, own_changes, told_beside
from taximeter.own_prices import parse_own_prices
from taximeter.price_lookup import PriceList
from taximeter.price_publishing import own_versions
from taximeter_processors.own_layer import own_layer_of
from taximeter_processors.price_book import litellm_price_books
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PricesDefined
from tests.builders import NOON
from tests.own_pricing import LISTED, MILLION, a_book, a_call, usd_of

EUROS = """
currencies:
  EUR: {2026-11-01: 1.25, 2026-12-01: 1.5, 2027-01-01: 2}
  GBP: {2026-01-01: 1.3, 2026-12-24: 4}
prices:
  - {provider: acme, model: m, input_per_million: 2}
  - {provider: acme, model: n, currency: EUR, input_per_million: 2}
  - {provider: acme, model: n, currency: EUR, input_per_million: 0.4, project: search}
  - {provider: acme, model: p, currency: EUR, input_cost_per_token: 3e-6}
"""
DECEMBER, JANUARY = parse_moment("2026-12-01"), parse_moment("2027-01-01")


def versions(text: str, books: PriceBooks | None = None) -> list[PricesDefined]:
    """Return what a file publishes that is imported at noon."""
    own = parse_own_prices(text, "own.yaml")
    return own_versions(books or PriceBooks(LISTED, "list"), own, "own.yaml", NOON)


def learned(*published: PricesDefined) -> PriceBooks:
    """Return books that know these versions, read again from their bytes."""
    books = PriceBooks(LISTED, "list")
    for event in published:
        again = PricesDefined.model_validate_json(event.model_dump_json())
        books.learn(again, NOON - timedelta(days=1))
    return books


@pytest.mark.parametrize(
    ("stated", "used", "usd"),
    [
        ({"cache_write_per_million": 4}, {"cache_write_5m_tokens": MILLION}, 4),
        ({"cache_write_1h_per_million": 4}, {"cache_write_1h_tokens": MILLION}, 4),
        ({"reasoning_per_million": 4}, {"reasoning_output_tokens": MILLION}, 4),
        ({"audio_input_per_million": 4}, {"audio_input_tokens": MILLION}, 4),
        ({"audio_output_per_million": 4}, {"audio_output_tokens": MILLION}, 4),
        ({"image_input_per_million": 4}, {"image_input_tokens": MILLION}, 4),
        ({"image_output_per_million": 4}, {"image_output_tokens": MILLION}, 4),
        ({"video_input_per_million": 4}, {"video_input_tokens": MILLION}, 4),
        ({"video_output_per_million": 4}, {"video_output_tokens": MILLION}, 4),
        ({"characters_per_million": 4}, {"characters": MILLION}, 4),
        ({"output_characters_per_million": 4}, {"output_characters": MILLION}, 4),
        ({"per_image": "0.5"}, {"image_count": 3}, "1.5"),
        ({"per_pixel": "1e-6"}, {"image_pixels": MILLION}, 1),
        ({"per_audio_second": "0.01"}, {"audio_seconds": 5}, "0.05"),
        ({"per_video_second": "0.01"}, {"video_seconds": 5}, "0.05"),
        ({"per_page": "0.01"}, {"pages": 5}, "0.05"),
        ({"per_annotated_page": "0.01"}, {"annotated_pages": 5}, "0.05"),
        ({"per_credit": "0.01"}, {"credits": 5}, "0.05"),
        ({"per_query": "0.01"}, {"queries": 5}, "0.05"),
        ({"per_web_search": "0.01"}, {"web_searches": 5}, "0.05"),
        ({"per_maps_query": "0.01"}, {"maps_queries": 5}, "0.05"),
        ({"per_session": "0.01"}, {"sessions": 5}, "0.05"),
        ({"per_request": "0.01", "input_per_million": 1}, {}, "0.01"),
        (
            {
                "input_per_million": 1,
                "input_cost_per_token_above_128k_tokens": "2e-6",
            },
            {"text_input_tokens": MILLION},
            2,
        ),
        ({"input_cost_per_image": "0.5"}, {"image_count": 3}, "1.5"),
    ],
)
def test_every_unit_can_be_stated(
    stated: dict[str, Any], used: dict[str, int], usd: object
) -> None:
    """By a plain name, for a million or one, or by the name that a list has for it."""
    book = a_book({"provider": "vllm", "model": "x", **stated})
    found = a_call(book, "x", provider="vllm", counts=used)
    assert usd_of(found)[0] == Decimal(str(usd))


def test_other_currencies_are_versions_by_the_dates_of_their_rates() -> None:
    """One now and one a date behind it, of the currencies that prices stand in."""
    published = versions(EUROS)
    starts = [event.effective_from for event in published]
    assert starts == [NOON, DECEMBER, JANUARY]
    books = learned(*reversed(published))

    def usd(model: str, project: str) -> list[Decimal | None]:
        found = (books.book_at(start) for start in starts)
        return [usd_of(a_call(book, model, project))[0] for book in found]

    assert usd("m", "ads") == [2, 2, 2]
    assert usd("n", "ads") == [Decimal("2.5"), 3, 4]
    assert usd("n", "search") == [Decimal("0.5"), Decimal("0.6"), Decimal("0.8")]
    assert usd("p", "ads") == [Decimal("3.75"), Decimal("4.5"), 6]


def test_what_was_stated_stays_visible() -> None:
    """Currency, rate, its date and the scope, for whoever asks why."""
    books = learned(*versions(EUROS))
    shown = PriceList(books.book_at(DECEMBER)).show("n", "acme", project_id="search")
    assert shown.why == [
        "it is a price of your own, for project search: input_per_million 0.4, "
        "currency EUR, usd_per_unit 1.5, rate_from 2026-12-01T00:00Z"
    ]
    assert shown.prices[0].usd_per_unit == Decimal("0.0000006")
    listed = PriceList(PriceBooks(LISTED, "list").book_at(NOON)).show("n", "acme")
    assert listed.why == []


def test_a_mark_up_is_told_and_in_the_prices_shown() -> None:
    """Which one it is, of several, and what a call really costs."""
    book = a_book({"markup_percent": 20}, {"project": "ads", "markup_percent": 0})
    shown = PriceList(book).show("m", "acme")
    assert shown.why == ["marked up by 20 percent, for everybody, on all"]
    assert shown.prices[0].usd_per_unit == Decimal("0.000012")
    shown = PriceList(book).show("m", "acme", project_id="ads")
    assert shown.why == ["marked up by 0 percent, for project ads, on all"]
    assert shown.prices[0].usd_per_unit == Decimal("0.00001")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "prices: [{provider: a, model: m, currency: EUR, per_page: 1}]",
            "price 1: no rate of EUR in USD holds on 2026-11-22 (none)",
        ),
        (
            "currencies: {EUR: {2026-12-01: 1.1}}\n"
            "prices: [{provider: a, model: m, currency: EUR, per_page: 1}]",
            "on 2026-11-22 (the first is of 2026-12-01): state one",
        ),
        ("aliases: {ours: acme/nobody}", "'ours' means 'acme/nobody', which has no"),
        (
            "prices: [{provider: a, model: m, per_page: 1},"
            " {provider: a, model: m, per_page: 2}]",
            "price 2: the same calls have a price above it",
        ),
        ("prices: [{provider: nobody, markup_percent: 1}]", "be marked up"),
        ("prices: [{provider: acme, model: x, markup_percent: 1}]", "be marked up"),
        ("prices: [{provider: acme, model: m, remove: price}]", "no price of your own"),
        ("prices: [{provider: a, model: m, input_dbu_cost_per_token: 1}]", "can use"),
        (
            "aliases: {x: acme/m}\nprices: [{provider: acme, model: x, per_page: 1}]",
            "would still be priced by another entry (m (alias))",
        ),
    ],
)
def test_what_would_not_do_what_it_says_is_refused(text: str, words: str) -> None:
    """The whole file, and what is wrong is said."""
    with pytest.raises(ConfigurationError) as refused:
        versions(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{model: m, per_page: 1}", "provider is missing"),
        ("{provider: a, per_page: 1}", "a price is for a model"),
        ("{provider: a, model: m, per_page: cheap}", "per_page: Input should be a"),
        ("{provider: a, model: m, per_page: true}", "per_page: "),
        ("{provider: a, model: m, per_page: -1}", "per_page: Input should be greater"),
        ("{provider: a, model: m, per_pge: 1}", "per_pge is no price that is known"),
        ("{provider: a, model: m, ocr_cost_per_page: cheap}", "is no number: 'cheap'"),
        ("{provider: a, model: m, ocr_cost_per_page: -1}", "is negative: -1"),
        ("{provider: a, model: m, ocr_cost_per_page_flux: 1}", "is no price that is"),
        (
            "{provider: a, model: m, per_page: 1, ocr_cost_per_page: 1}",
            "per_page and ocr_cost_per_page are the same price",
        ),
        ("{provider: a, model: m, gpu_second: 1, input_per_million: 1}", "not both"),
        ("{provider: a, model: m, per_page: 1, gpus: 2}", "gpus is for gpu_second"),
        ("{provider: a, model: m, gpu_second: 1, gpus: 0}", "gpus"),
        ("{provider: a, model: m, per_page: 1, markup_percent: 1}", "one of them"),
        ("{provider: a, discount_percent: 1, currency: EUR}", "currency is for prices"),
        ("{provider: a, model: m, per_page: 1, currency: euro}", "currency"),
        ("{markup_percent: -101}", "markup_percent"),
        ("{discount_percent: 10}", "provider is missing"),
        ("{provider: a, model: m, per_page: 1, tag: growth}", "tag"),
        ("a word", "is no table of fields"),
    ],
)
def test_a_row_with_a_fault_is_named(row: str, words: str) -> None:
    """Which one, what is wrong, and the good rows beside it do not help."""
    text = f"prices:\n  - {{provider: a, model: b, per_page: 1}}\n  - {row}\n"
    with pytest.raises(ConfigurationError) as refused:
        parse_own_prices(text, "own.yaml")
    assert str(refused.value).startswith("own.yaml: price 2: ")
    assert words in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    """Of rows, names and rates."""
    text = (
        "prices: [{provider: a}, {model: m, per_page: 1}]\n"
        "aliases: {x: 3}\n"
        "currencies: {EUR: {soon: 1}, GBP: 3, CHF: {2026-01-01: 0}}\n"
    )
    with pytest.raises(ConfigurationError) as refused:
        parse_own_prices(text, "own.yaml")
    faults = str(refused.value).split("; ")
    for start in ("own.yaml: price 1", "price 2", "aliases", "currencies: EUR"):
        assert any(fault.startswith(start) for fault in faults)
    assert "currencies: GBP: give a date and a rate" in str(refused.value)
    assert "currencies: CHF: '0' is no rate above 0" in str(refused.value)


def test_a_models_price_wins_over_its_providers_discount() -> None:
    """Wherever the two stand."""
    discount = {"provider": "acme", "discount_percent": 50}
    model = {"provider": "acme", "model": "m", "input_per_million": 8}
    for rows in ((discount, model), (model, discount)):
        book = a_book(*rows)
        assert usd_of(a_call(book))[0] == 8
        assert usd_of(a_call(book, "n"))[0] == Decimal("2.5")


def test_what_was_stated_can_be_taken_back() -> None:
    """The list's price again, no mark-up, and a name that means nothing."""
    first = versions(
        "prices:\n"
        "  - {provider: acme, model: m, input_per_million: 1}\n"
        "  - {provider: acme, discount_percent: 50, project: search}\n"
        "  - {markup_percent: 100}\n"
        "aliases: {x: acme/m}\n"
    )
    books = learned(*first)
    assert usd_of(a_call(books.book_at(NOON), "x", "ads"))[0] == 2
    second = versions(
        "prices:\n"
        "  - {provider: acme, model: m, remove: price}\n"
        "  - {provider: acme, project: search, remove: price}\n"
        "  - {remove: markup}\n"
        "aliases: {x: null}\n",
        books,
    )
    changes: set[object] = {
        (c.model, c.old_usd, c.new_usd) for c in own_changes(books, second[0])
    }
    assert ("m", 1, 10) in changes
    assert ("m (project search)", 5, 10) in changes
    assert list(told_beside(own_layer_of(second[0]))) == [
        "no mark-up any more, for everybody, on all",
        "x means nothing any more",
    ]
    books.learn(second[0], NOON)
    after = books.book_at(NOON)
    assert usd_of(a_call(after)) == (10, 10)
    assert usd_of(a_call(after, "x"))[0] is None


def test_a_later_version_that_states_the_same_is_told() -> None:
    """Prices in another currency were scheduled: a new one holds until then."""
    books = learned(*versions(EUROS))
    new = versions("prices: [{provider: acme, model: n, input_per_million: 9}]", books)
    told = list(changed_again(books, new))
    assert [line.split(" states")[0] for line in told] == books.versions[2:]
    other = versions("prices: [{provider: acme, model: m, per_page: 9}]", books)
    assert not list(changed_again(books, other))


def test_the_documented_file_can_be_imported() -> None:
    """What docs/pricing.md shows does over the installed list what it says."""
    page = (Path(__file__).parents[3] / "docs" / "pricing.md").read_text("utf-8")
    text = page.partition("```yaml\n")[2].partition("```")[0]
    books = litellm_price_books()
    own = parse_own_prices(text, "own.yaml")
    published = own_versions(books, own, "own.yaml", NOON)
    assert [event.effective_from for event in published] == [NOON, DECEMBER]
    for event in published:
        books.learn(event, NOON)
    book = books.book_at(NOON)
    growth: dict[str, Any] = {"provider": "openai", "tags": {"team": "growth"}}
    found = a_call(book, "gpt-4o", "research", **growth)
    assert usd_of(found) == (2, Decimal("2.5"))
    found = a_call(book, "prod-chat", "ads", provider="azure")
    assert usd_of(found) == (Decimal("2.625"), Decimal("2.5"))
    assert found.price_match == "gpt-4o (alias)"


PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x1"


@pytest.mark.parametrize("model", [PROFILE, "us.our-profile"])
def test_a_profile_of_ones_own_needs_an_alias(model: str) -> None:
    """Bedrock's application inference profiles say nothing of their model."""
    books = litellm_price_books()
    meant = "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"
    counts = {"text_input_tokens": 1_000}
    before = books.book_at(NOON)
    unknown = a_call(before, model, provider="aws.bedrock", counts=counts)
    assert unknown.unpriced_reason == "unknown_model"
    books.learn(versions(f"aliases: {{'{model}': '{meant}'}}", books)[0], NOON)
    found = a_call(books.book_at(NOON), model, provider="aws.bedrock", counts=counts)
    assert usd_of(found) == (Decimal("0.003"), Decimal("0.003"))
    assert str(found.price_match).endswith("(alias)")
