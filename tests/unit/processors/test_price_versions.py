"""Each call is priced by the version in force when it was made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from taximeter_processors.circumstances import Occurrence
from taximeter_processors.price_versions import SETTLING, PriceBooks
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PricesDefined
from tests.builders import NOON

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
LATER = NOON + timedelta(days=1)
USED = {"text_input_tokens": 1}


def an_entry(usd: str) -> dict[str, object]:
    """Return an entry whose text input costs so many dollars a token."""
    return {"litellm_provider": "acme", "input_cost_per_token": usd}


def a_version(
    name: str, start: datetime = NOON, usd: str | None = "2", **overrides: object
) -> PricesDefined:
    """Return a change of the installed list, for the model m."""
    fields: dict[str, object] = {
        "event_type": "PricesDefined",
        "price_version": name,
        "effective_from": start,
        "layer": "list",
        "base": "v1",
        "source": "tests",
        "content_hash": "0",
        "models": 1,
        "entries": {"m": usd and json.dumps(an_entry(usd))},
    }
    return PricesDefined.model_validate(fields | overrides)


def books(*versions: PricesDefined, published_at: datetime = NOON) -> PriceBooks:
    """Return books with m at 1 and n at 5 dollars first, then these versions."""
    found = PriceBooks({"m": an_entry("1"), "n": an_entry("5")}, "v1")
    for version in versions:
        found.learn(version, published_at)
    return found


def price(
    found: PriceBooks, when: datetime, model: str = "m"
) -> tuple[str, int | None]:
    """Return version and dollars of a token that was used then and arrives later."""
    pricer = found.known_at(LATER)
    priced = pricer.price_counts("acme", model, "standard", USED, Occurrence(when))
    pico = priced.input_pico
    return priced.price_version, None if pico is None else pico // 10**12


def test_a_version_begins_at_its_moment() -> None:
    """One microsecond before it the old price holds, and at the moment the new one."""
    found = books(a_version("v2", NOON + HOUR))
    assert price(found, NOON + HOUR - TICK) == ("v1", 1)
    assert price(found, NOON + HOUR) == ("v2", 2)
    assert price(found, NOON + HOUR, "n") == ("v2", 5)


def test_with_one_version_the_book_itself_answers() -> None:
    """Nobody who never changes a price pays for the possibility."""
    assert isinstance(books().known_at(NOON), PriceBook)


def test_a_version_leaves_alone_what_arrived_before_it() -> None:
    """A moment in the past changes no charge, however often usage is read again."""
    found = books(a_version("v2", NOON - HOUR))
    call = Occurrence(NOON)
    before = found.known_at(NOON + SETTLING - TICK)
    after = found.known_at(NOON + SETTLING)
    assert before.price_counts("acme", "m", "x", USED, call).price_version == "v1"
    assert after.price_counts("acme", "m", "x", USED, call).price_version == "v2"


def test_prices_that_were_changed_behind_have_another_name() -> None:
    """A charge's version says what made it, whatever is published afterwards."""
    found = books(a_version("own-1", NOON, "7", layer="own", base=None))
    assert price(found, NOON, "n") == ("own-1", 5)
    entries = {"n": json.dumps(an_entry("6"))}
    found.learn(a_version("v2", NOON - HOUR, entries=entries), NOON + HOUR)
    assert price(found, NOON, "n") == ("own-1+v2", 6)
    assert price(found, NOON - TICK, "n") == ("v2", 6)
    early = found.known_at(NOON + HOUR)
    priced = early.price_counts("acme", "n", "x", USED, Occurrence(NOON))
    assert priced.price_version == "own-1"
    assert found.entries_at(NOON)[0] == "own-1+v2"


VERSIONS = (
    a_version("v2", NOON + HOUR),
    a_version("v3", NOON + 2 * HOUR, "3", base="v2"),
    a_version("own-1", NOON + 1.5 * HOUR, "7", layer="own", base=None),
    a_version("own-2", NOON + 3 * HOUR, None, layer="own", base=None),
)


@pytest.mark.parametrize("order", list(permutations(VERSIONS)))
def test_the_order_of_arrival_does_not_matter(order: Sequence[PricesDefined]) -> None:
    """Versions hold by their moments; own prices win until they are taken away."""
    found = books(*order)
    moments = [NOON + half * HOUR / 2 for half in range(2, 7)]
    assert [price(found, moment) for moment in moments] == [
        ("v2", 2),
        ("own-1", 7),
        ("v3", 7),
        ("v3", 7),
        ("own-2", 3),
    ]
    assert found.versions == ["v1", "v2", "own-1", "v3", "own-2"]


def test_the_same_version_twice_is_one() -> None:
    """What comes again under a name that is taken changes nothing."""
    found = books(a_version("v2"), a_version("v2", usd="9"), a_version("v1", usd="9"))
    assert price(found, NOON) == ("v2", 2)
    assert found.versions == ["v1", "v2"]


@pytest.mark.parametrize(
    "entry", ["no JSON", "[1]", '{"input_cost_per_token":NaN}', "[" * 100_000]
)
def test_a_version_that_cannot_be_read_is_left_out(
    entry: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the book in force stays."""
    found = books(a_version("v2", entries={"m": entry}))
    assert price(found, NOON) == ("v1", 1)
    assert "price version v2 is left out: entry 'm'" in caplog.text


def test_a_change_of_an_unknown_list_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it does not change is not guessed, and nothing goes round in rings."""
    ring = [a_version("v4", base="v5"), a_version("v5", base="v4")]
    found = books(a_version("v2", base="v0"), *ring)
    assert price(found, NOON) == ("v1", 1)
    assert "price version v2 changes the list v0, which is not known" in caplog.text


def test_a_whole_list_takes_the_place_of_the_other() -> None:
    """Without a base, what the event does not name is gone."""
    found = books(a_version("v2", base=None))
    assert price(found, NOON) == ("v2", 2)
    assert price(found, NOON, "n") == ("v2", None)


def test_prices_are_exact() -> None:
    """A price goes through an event without a digit lost."""
    text = (
        '{"litellm_provider":"acme","input_cost_per_token":1.00000000000000000001e-7}'
    )
    version, entries = books(a_version("v2", entries={"m": text})).entries_at(NOON)
    assert version == "v2"
    assert str(entries["m"]["input_cost_per_token"]) == "1.00000000000000000001E-7"


def test_the_list_is_known_without_own_prices() -> None:
    """A later list is compared with the list before it, not with one's own prices."""
    found = books(*VERSIONS)
    version, entries = found.list_at(NOON + 2 * HOUR)
    assert (version, entries["m"]["input_cost_per_token"]) == ("v3", "3")
    assert found.list_at(NOON)[0] == "v1"


def test_a_version_is_found_by_the_name_in_its_charges() -> None:
    """Also where that names two, and whatever was published behind it later."""
    found = books(a_version("v2", NOON + HOUR), a_version("v3", NOON, "3", base="v1"))
    for moment in (NOON - HOUR, NOON, NOON + HOUR):
        book = found.at(moment, LATER)
        assert found.named(book.version).version == book.version
        used = ("acme", "m", "standard", USED)
        assert found.named(book.version).price_counts(*used) == book.price_counts(*used)
    found.learn(a_version("v0", NOON - HOUR, "9"), LATER)
    assert found.at(NOON + HOUR, LATER + HOUR).version == "v2+v0"
    assert found.named("v2+v0").version == "v2+v0"
    assert price(books(a_version("v2")), NOON) == ("v2", 2)


@pytest.mark.parametrize("name", ["v9", "v2+v9", "v9+v2", "", "+"])
def test_an_unknown_version_is_refused(name: str) -> None:
    """Nothing is priced by a name that no charge has."""
    with pytest.raises(ConfigurationError, match="v1, v2"):
        books(a_version("v2")).named(name)
