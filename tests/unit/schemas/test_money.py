"""Money is exact."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from taximeter_schemas.money import PICO_PER_USD, pico_from_usd, usd_from_pico, usd_text


@pytest.mark.parametrize(
    ("usd", "pico"),
    [
        ("0", 0),
        ("0.000000000001", 1),
        ("-0.000000000001", -1),
        ("0.10", 100_000_000_000),
        ("1E+2", 100 * PICO_PER_USD),
        ("1.5E-7", 150_000),
        ("99999999999999999999999999.999999999999", 10**38 - 1),
    ],
)
def test_dollars_are_whole_pico_dollars(usd: str, pico: int) -> None:
    """An amount of at most 12 places is a whole number of pico-dollars."""
    assert pico_from_usd(Decimal(usd)) == pico
    assert usd_from_pico(pico) == Decimal(usd)


@pytest.mark.parametrize("usd", ["0.0000000000001", "1.0000000000005", "-1E-13"])
def test_thirteenth_place_is_refused(usd: str) -> None:
    """An amount that pico-dollars cannot hold is an error, not rounded in silence."""
    with pytest.raises(ValueError, match="more than 12 decimal places"):
        pico_from_usd(Decimal(usd))


@pytest.mark.parametrize("usd", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_refused(usd: str) -> None:
    """NaN and infinity are not amounts of money."""
    with pytest.raises(ValueError, match="not an amount of money"):
        pico_from_usd(Decimal(usd))


def test_callers_decimal_context_changes_nothing() -> None:
    """Money stays exact in a program that set a small precision for itself."""
    with localcontext(prec=3):
        assert usd_text(pico_from_usd(Decimal("12345.678901234567"))) == (
            "12345.678901234567"
        )
        assert str(usd_from_pico(12_345_678_901_234_567)) == "12345.678901234567"


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0.000000000000"),
        (1, "0.000000000001"),
        (-1, "-0.000000000001"),
        (-PICO_PER_USD, "-1.000000000000"),
        (PICO_PER_USD - 1, "0.999999999999"),
    ],
)
def test_text_has_twelve_places(pico: int, text: str) -> None:
    """Amounts are written out with exactly 12 places and no exponent."""
    assert usd_text(pico) == text
