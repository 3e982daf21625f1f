"""Money adds up, whatever the amounts."""

from __future__ import annotations

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from taximeter_schemas.fields import Usd
from taximeter_schemas.money import pico_from_usd, usd_from_pico, usd_text

# What the ledger's DECIMAL(38, 12) can hold.
picos = st.integers(min_value=-(10**38) + 1, max_value=10**38 - 1)
charges = st.lists(st.integers(min_value=-(10**30), max_value=10**30), max_size=50)

usd: TypeAdapter[Decimal] = TypeAdapter(Usd)


@given(picos)
def test_pico_dollars_and_dollars_are_one_amount(pico: int) -> None:
    """Any amount survives the way to decimal dollars and back."""
    assert pico_from_usd(usd_from_pico(pico)) == pico


@given(picos)
def test_text_and_decimal_are_one_amount(pico: int) -> None:
    """The text that an event carries is the very decimal that it stands for."""
    text = usd_text(pico)

    assert Decimal(text) == usd_from_pico(pico)
    assert len(text.partition(".")[2]) == 12


@given(picos)
def test_amount_survives_an_event(pico: int) -> None:
    """An amount in an event is read back to the last digit, and written plainly."""
    written = usd.dump_json(usd_from_pico(pico))

    assert pico_from_usd(usd.validate_json(written)) == pico
    assert b"E" not in written


@given(charges)
def test_sum_of_dollars_is_dollars_of_sum(amounts: list[int]) -> None:
    """Adding decimals and adding whole pico-dollars give the same sum."""
    with localcontext(prec=60):
        in_dollars = sum((usd_from_pico(pico) for pico in amounts), Decimal(0))

    assert pico_from_usd(in_dollars) == sum(amounts)


@given(charges.flatmap(st.permutations), st.integers(min_value=0, max_value=50))
def test_order_and_groups_do_not_matter(amounts: list[int], cut: int) -> None:
    """A sum is the same in whatever order and groups its charges arrive."""
    texts = [usd_text(pico) for pico in amounts]

    groups = [sorted(texts[:cut]), sorted(texts[cut:])]
    sums = [sum(pico_from_usd(Decimal(text)) for text in group) for group in groups]

    assert sum(sums) == sum(amounts)
