"""What a re-pricing comes to, found by the audit and by the worker, each its way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from taximeter.audit.recompute import expected_charge
from taximeter_processors.charging import amounts_of
from taximeter_schemas.usage import UsageRepriced
from tests.builders import a_repricing
from tests.metering import FlatPricer

PAID = {"old_input_cost_usd": Decimal(3), "old_output_cost_usd": Decimal("0.5")}
LISTED = {"old_list_cost_usd": Decimal(5), "new_list_cost_usd": Decimal("2.5")}


@pytest.mark.parametrize(
    "event",
    [
        a_repricing(),
        a_repricing(new_input_cost_usd=Decimal("0.000000000001")),
        a_repricing(old_unpriced_reason="unknown_model"),
        a_repricing(**PAID),
        a_repricing(**PAID, **LISTED),
        a_repricing(old_list_cost_usd=Decimal(5)),
    ],
)
def test_both_find_the_same_difference(event: UsageRepriced) -> None:
    """The money, what the list says, no call more, and one less without a price."""
    must, made = (
        expected_charge(7, 3, event, FlatPricer()),
        amounts_of(event, FlatPricer()),
    )
    listed = made.listed.pico if made.listed else made.cost_pico
    assert must[:2] == (7, 3)
    assert must[2:] == (
        made.cost_pico,
        made.price_version,
        listed,
        made.calls,
        made.unpriced_calls,
    )
