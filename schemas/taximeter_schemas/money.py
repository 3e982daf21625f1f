"""Exact money: US dollars as decimals of 12 places, or as whole pico-dollars.

A pico-dollar is 1e-12 USD, so a decimal of 12 places and a whole number of
pico-dollars are the same amount, and neither is ever a float. Integers add up
faster than decimals, so sums are kept in pico-dollars and written as decimals.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

__all__ = ["PICO_PER_USD", "PLACES", "pico_from_usd", "usd_from_pico", "usd_text"]

PLACES = 12
PICO_PER_USD = 10**PLACES

# 38 digits is what the ledger's DECIMAL(38, 12) holds; the context is wider so that
# a rounding never happens on the way there.
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_ONE_PICO = Decimal(1).scaleb(-PLACES)


def usd_from_pico(pico: int) -> Decimal:
    """Return whole pico-dollars as a decimal of exactly 12 places.

    >>> usd_from_pico(150_000)
    Decimal('1.50000E-7')
    >>> usd_text(150_000)
    '0.000000150000'
    """
    return Decimal(pico).scaleb(-PLACES, _CONTEXT)


def pico_from_usd(usd: Decimal) -> int:
    """Return a decimal amount in USD as whole pico-dollars.

    Raises:
        ValueError: if the amount has more than 12 places, so that it cannot be
            written in pico-dollars without changing it, or is not finite.

    >>> pico_from_usd(Decimal("0.10"))
    100000000000
    """
    if not usd.is_finite():
        raise ValueError(f"{usd} is not an amount of money")
    exact = usd.quantize(_ONE_PICO, context=_CONTEXT)
    if exact != usd:
        raise ValueError(f"{usd} USD has more than {PLACES} decimal places")
    return int(exact.scaleb(PLACES, _CONTEXT))


def usd_text(pico: int) -> str:
    """Return pico-dollars as plain decimal text with 12 places, as events carry it.

    >>> usd_text(-1)
    '-0.000000000001'
    >>> usd_text(12 * PICO_PER_USD)
    '12.000000000000'
    """
    if pico < 0:
        return f"-{usd_text(-pico)}"
    digits = str(pico).zfill(PLACES + 1)  # quicker than to divide and format
    return f"{digits[:-PLACES]}.{digits[-PLACES:]}"
