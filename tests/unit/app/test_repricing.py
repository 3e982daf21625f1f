"""Old against new, call by call, and what is sent where they differ."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from taximeter.cli import main
from taximeter_schemas.prices import MarkUp, PricesDefined
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import Usage, UsageCorrected, UsageRepriced
from taximeter_sinks.charged_calls import CallFilter
from tests.builders import NOON, a_usage, an_id
from tests.repricing import Site, price_books

USED = Usage(text_input_tokens=1_000_000)
MARKED_UP = PricesDefined(
    event_type="PricesDefined",
    price_version="marked-up",
    effective_from=NOON + timedelta(days=1),
    layer="own",
    source="tests",
    content_hash="0",
    models=0,
    entries={},
    markups=[MarkUp(percent=Decimal(100))],
)


@pytest.fixture
def site() -> Site:
    """Give a ledger with a call of each model."""
    found = Site(price_books.__wrapped__())
    for number, model in enumerate(("cheaper", "newer", "older", "unheard-of")):
        event = a_usage(
            event_id=an_id(model),
            provider="acme",
            model=model,
            usage=USED,
            tags={"team": 'ä"'},
            session_id="s-1",
            region="eu",
            occurred_at=NOON + timedelta(minutes=number),
        )
        found.send([encode_event(event)])
    return found


def test_what_is_shown_adds_up(site: Site) -> None:
    """Dearer, cheaper, priced for the first time, kept, unpriced still: each counts."""
    _, comparison = site.repricings("v2")
    told = {
        total.model: (total.old_pico, total.new_pico, total.adjustments)
        for total in comparison.totals.values()
    }
    assert told == {
        "cheaper": (3_000_000_000_001, 10**12, 1),
        "newer": (0, 4 * 10**12, 1),
        "older": (5 * 10**12, 5 * 10**12, 0),
        "unheard-of": (0, 0, 0),
    }
    totals = comparison.totals
    assert totals["acme", "newer"].priced == 1
    assert totals["acme", "older"].kept == 1
    assert totals["acme", "unheard-of"].unpriced == 1


def test_an_adjustment_says_all_that_spend_is_told_apart_by(site: Site) -> None:
    """The call's own words, what it cost and costs, why and for whom."""
    events, _ = site.repricings("v2", CallFilter(models=["newer"]))
    (event,) = map(UsageRepriced.model_validate_json, events)
    assert event.reprices == an_id("newer")
    assert event.occurred_at == NOON + timedelta(minutes=1)
    assert (event.tags, event.session_id, event.region) == (
        {"team": 'ä"'},
        "s-1",
        "eu",
    )
    assert (event.user_id, event.project_id) == ("alice", "search")
    assert event.old_unpriced_reason == "unknown_model"
    assert (event.old_price_version, event.new_price_version) == ("v1", "v2")
    assert event.new_input_cost_usd == 4
    assert (event.reason, event.repriced_by) == ('a "reason"', "grace")


def test_what_the_list_says_stays_when_a_mark_up_is_put_on(site: Site) -> None:
    """An adjustment says both lists' amounts where they differ by another one."""
    site.books.learn(MARKED_UP, NOON)
    chosen = CallFilter(models=["cheaper", "older"])
    site.send(site.repricings("marked-up", chosen)[0])
    sums = "SELECT sum(cost_usd), sum(list_cost_usd) FROM charges"
    assert site.rows(sums) == [(Decimal("16.000000000002"), Decimal("8.000000000001"))]
    assert site.repricings("marked-up", chosen)[0] == []
    site.send(site.repricings("v1", chosen)[0])
    assert site.rows(sums) == [(Decimal("8.000000000001"), Decimal("8.000000000001"))]


def test_each_call_has_the_price_of_its_moment(site: Site) -> None:
    """Prices that change between two calls of a stretch change the second one only."""
    between = NOON + timedelta(seconds=90)
    site.books.learn(MARKED_UP.model_copy(update={"effective_from": between}), NOON)
    events, _ = site.repricings(None)
    (event,) = map(UsageRepriced.model_validate_json, events)
    assert (event.model, event.new_input_cost_usd) == ("older", Decimal(10))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (CallFilter(), 2),
        (CallFilter(start=NOON + timedelta(minutes=1)), 1),
        (CallFilter(end=NOON + timedelta(minutes=1)), 1),
        (CallFilter(models=["newer", "cheaper"]), 2),
        (CallFilter(providers=["it's nobody"]), 0),
        (CallFilter(start=NOON + timedelta(days=9)), 0),
    ],
)
def test_only_the_calls_that_are_meant(
    site: Site, wanted: CallFilter, count: int
) -> None:
    """From a moment on, before a moment, by model and provider."""
    assert len(site.repricings("v2", wanted)[0]) == count


def test_a_free_model_is_a_price(site: Site) -> None:
    """A call without a price that now costs 0 is priced: 0 is a price."""
    events, _ = site.repricings("v3", CallFilter(models=["newer"]))
    site.send(events)
    assert (site.unpriced(), "newer" in site.missing()) == (1, False)
    assert not site.repricings("v3", CallFilter(models=["newer"]))[0]


def test_there_and_back_and_there_again(site: Site) -> None:
    """The same prices a second time are another adjustment, not a duplicate."""
    everything = [site.cost_pico()]
    for version in ("v2", "v1", "v2", "v1"):
        site.send(site.repricings(version)[0])
        everything.append(site.cost_pico())
    first, second, third, fourth, fifth = everything
    # What v2 gave a price keeps it: v1 has none for it.
    assert (third, fourth, fifth) == (first + 4 * 10**12, second, third)


def test_a_corrected_call_is_priced_by_what_it_used(site: Site) -> None:
    """A correction is priced anew with its call, over the same threshold or another."""
    long, longer = (Usage(text_input_tokens=n * 1_000) for n in (100, 200))
    call = a_usage(event_id=an_id("long"), provider="acme", model="long", usage=long)
    correction = UsageCorrected(
        event_id=an_id("correction"),
        event_type="UsageCorrected",
        occurred_at=NOON,
        provider="acme",
        model="long",
        corrects=call.event_id,
        old_usage=long,
        new_usage=longer,
        reason="late",
    )
    site.send([encode_event(call), encode_event(correction)])
    mine = f"'{call.event_id}' IN (event_id, adjusts)"
    assert site.cost_pico(mine) == 400 * 10**9
    assert not site.repricings("v1")[0]
    site.send(site.repricings("v2", CallFilter(models=["long"]))[0])
    assert site.cost_pico(mine) == 400 * 10**9


def test_a_beginning_has_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody re-prices all of history by leaving something out."""
    with pytest.raises(SystemExit) as ended:
        main(["reprice"])
    assert ended.value.code == 2
    assert "--from" in capsys.readouterr().err
