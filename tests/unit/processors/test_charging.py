"""A charge is written as bytes; the models read the same values back."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from taximeter_processors.charging import Amounts, ChargeWriter, amounts_of, tokens_in
from taximeter_processors.pricing import Listed
from taximeter_processors.rates import counts_of
from taximeter_schemas.charges import ChargeAdjusted, UsagePriced, charges_adapter
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.records import encode_event, packed
from taximeter_schemas.usage import ChargedEvent, Usage, UsageCorrected
from tests.builders import NOON, a_repricing, a_usage, an_id
from tests.metering import UNPRICED, FlatPricer

RECORDED_AT = datetime(2026, 11, 22, 12, 0, 1, 234_000, tzinfo=UTC)


def a_correction(old: Usage, new: Usage, model: str = "m") -> UsageCorrected:
    """Return the truth about a call."""
    return UsageCorrected(
        event_id=an_id("correction"),
        event_type="UsageCorrected",
        occurred_at=NOON,
        provider="acme",
        model=model,
        corrects=an_id("corrected"),
        old_usage=old,
        new_usage=new,
        reason='the "stream" was\ncut',
    )


def charged(
    event: ChargedEvent, amounts: Amounts | None = None
) -> UsagePriced | ChargeAdjusted:
    """Write a charge and read it back with the models."""
    writer = ChargeWriter(3, 41, RECORDED_AT)
    amounts = amounts or amounts_of(event, FlatPricer())
    written = writer.write(event, amounts, 7, encode_event(event))
    (charge,) = charges_adapter.validate_json(packed([written]))
    return charge


def test_a_charge_carries_the_call_and_its_origin() -> None:
    """What the models read is what was written: call, amounts, origin, version."""
    call = a_usage(user_id='Ünï"code\\ \x01 😀', tags={"team": "growth"})
    charge = charged(call)
    assert isinstance(charge, UsagePriced)
    assert charge.recorded == call
    assert charge.recorded_at == RECORDED_AT
    assert (charge.source_partition, charge.source_offset) == (3, 41)
    assert charge.source_position == 7
    assert charge.input_cost_usd == usd_from_pico(1000 * 3_000_001)
    assert charge.output_cost_usd == usd_from_pico(200 * 15_000_000)
    assert charge.cost_usd == Decimal("0.006000001000")
    assert charge.unpriced_reason is None
    assert (charge.price_version, charge.price_match) == ("flat-1", call.model)


def test_unpriced_is_null_with_a_reason() -> None:
    """A charge without a price has no amounts at all, and says why."""
    charge = charged(a_usage(model=UNPRICED))
    assert charge.cost_usd is charge.input_cost_usd is charge.output_cost_usd is None
    assert charge.unpriced_reason == "unknown_model"
    assert charge.price_match is None


@pytest.mark.parametrize(
    ("cost", "listed", "said"),
    [
        (5, None, "nothing"),
        (5, Listed(5), "nothing"),
        (None, Listed(None), "nothing"),
        (5, Listed(7), "0.000000000007"),
        (5, Listed(None), None),
        (None, Listed(7), "0.000000000007"),
        (-5, Listed(-7), "-0.000000000007"),
    ],
)
def test_what_the_list_says_is_said_where_it_differs(
    cost: int | None, listed: Listed | None, said: str | None
) -> None:
    """Not at all where it is what is charged; null where the list has no price."""
    amounts = Amounts(cost, cost and 0, cost, 0, 1, None, "v", "m", listed=listed)
    charge = charged(a_usage(), amounts)
    if said == "nothing":
        assert "list_cost_usd" not in charge.model_fields_set
    else:
        assert "list_cost_usd" in charge.model_fields_set
        assert charge.list_cost_usd == (None if said is None else Decimal(said))


def test_nothing_used_costs_zero_not_null() -> None:
    """A failed call that used nothing is priced: at nothing."""
    charge = charged(a_usage(usage=Usage(), status="error", error_type="timeout"))
    assert charge.cost_usd == 0
    assert charge.unpriced_reason is None


def test_a_correction_is_the_difference() -> None:
    """A correction charges new minus old, and names what it adjusts and why."""
    event = a_correction(Usage(text_output_tokens=9), Usage(text_output_tokens=5))
    charge = charged(event)
    assert isinstance(charge, ChargeAdjusted)
    assert charge.corrected == event
    assert charge.adjusts == an_id("corrected")
    assert charge.reason == event.reason
    assert charge.cost_usd == usd_from_pico(-4 * 15_000_000)


def test_a_correction_is_no_call() -> None:
    """It moves tokens and money; the call itself was counted before."""
    event = a_correction(Usage(text_output_tokens=9), Usage(text_input_tokens=5))
    amounts = amounts_of(event, FlatPricer())
    assert (amounts.calls, amounts.tokens) == (0, -4)


def test_a_correction_without_a_price_stays_unpriced() -> None:
    """The difference of two unknown amounts is unknown, not zero."""
    charge = charged(a_correction(Usage(), Usage(text_input_tokens=5), UNPRICED))
    assert charge.cost_usd is None
    assert charge.unpriced_reason == "unknown_model"


def test_a_repricing_is_the_difference_of_what_it_states() -> None:
    """No price book has a say: old and new stand in it, with versions and who."""
    event = a_repricing(
        old_input_cost_usd="0.003000000000",
        old_unpriced_reason=None,
        price_match="gpt-4o",
        reason='"agreed"\nin May',
    )
    charge = charged(event)
    assert isinstance(charge, ChargeAdjusted)
    assert charge.repriced == charge.cause == event
    assert (charge.input_cost_usd, charge.output_cost_usd) == (
        Decimal("-0.002"),
        Decimal("0.002"),
    )
    assert charge.cost_usd == 0
    assert (charge.old_price_version, charge.price_version) == ("prices-1", "prices-2")
    assert (charge.reason, charge.adjusted_by) == ('"agreed"\nin May', "grace")
    assert (charge.adjusts, charge.price_match) == (event.reprices, "gpt-4o")
    assert charge.schema_version == 2


def test_a_repricing_takes_an_unpriced_call_away() -> None:
    """It is no call and no tokens; where a price was missing, none is any more."""
    found = amounts_of(a_repricing(), FlatPricer())
    assert (found.calls, found.tokens, found.unpriced_calls) == (0, 0, -1)
    before = amounts_of(a_repricing(old_unpriced_reason=None), FlatPricer())
    assert before.unpriced_calls == 0


def test_a_correction_is_written_as_before() -> None:
    """Whoever reads version 1 of adjustments can read it still."""
    charge = charged(a_correction(Usage(), Usage(text_input_tokens=5)))
    assert isinstance(charge, ChargeAdjusted)
    assert charge.schema_version == 1
    assert charge.model_fields_set.isdisjoint(
        {"repriced", "old_price_version", "adjusted_by"}
    )


@pytest.mark.parametrize("name", ['a"b', "a\\b", "ä", "a\nb", "a\x7fb", "\u2028"])
def test_names_from_the_price_list_are_escaped(name: str) -> None:
    """Whatever a price list calls a model, the charge is JSON and says the same."""
    amounts = Amounts(1, 2, 3, 3, 1, None, name, name)
    charge = charged(a_usage(), amounts)
    assert (charge.price_version, charge.price_match) == (name, name)


@pytest.mark.parametrize("pico", [0, 1, -1, 10**12, 10**37, -(10**25) - 1])
def test_amounts_keep_every_digit(pico: int) -> None:
    """From one pico-dollar to more than anybody has, nothing is rounded."""
    charge = charged(a_usage(), Amounts(pico, 0, pico, 0, 1, None, "v", None))
    assert charge.cost_usd == charge.input_cost_usd == usd_from_pico(pico)


def test_the_same_record_makes_the_same_bytes() -> None:
    """Pricing again what was priced before changes nothing, to the last byte."""
    call = a_usage(event_id=UUID(int=1))
    written = [
        ChargeWriter(0, 1, RECORDED_AT).write(
            call, amounts_of(call, FlatPricer()), 0, encode_event(call)
        )
        for _ in range(2)
    ]
    assert written[0] == written[1]


def test_tokens_are_all_buckets() -> None:
    """Every bucket of tokens counts, other units do not."""
    usage = Usage(
        text_input_tokens=1,
        cache_write_1h_tokens=10,
        reasoning_output_tokens=100,
        image_count=5,
        audio_seconds=Decimal("1.5"),
    )
    assert tokens_in(counts_of(usage)) == 111
