"""What the same calls would cost otherwise."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.reports.optimising import Call, cached_elsewhere, other_models
from taximeter.reports.tiers import read_tiers
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.usage import Usage
from tests.builders import NOON

BOOK = PriceBook(
    {
        "dear": {
            "litellm_provider": "acme",
            "input_cost_per_token": "0.000003",
            "output_cost_per_token": "0.000015",
            "cache_read_input_token_cost": "0.0000003",
            "cache_creation_input_token_cost": "0.00000375",
        },
        "cheap": {
            "litellm_provider": "acme",
            "input_cost_per_token": "0.000001",
            "input_cost_per_token_above_200k_tokens": "0.000009",
            "output_cost_per_token": "0.000005",
        },
    },
    "test-1",
)


def a_call(sent: int = 1000, minutes: float = 0, **facts: object) -> Call:
    """Return a call of the dear model that sends so many tokens."""
    call = Call(
        "acme",
        "dear",
        "standard",
        "/chat",
        "c-1",
        NOON + timedelta(minutes=minutes),
        Usage(text_input_tokens=sent),
    )
    return call._replace(**facts)  # type: ignore[arg-type]


def test_the_same_calls_on_another_model() -> None:
    """Each call is priced on its own: a long one is a long one there too."""
    calls = [a_call(100_000), a_call(150_000), a_call(300_000)]
    (row,) = other_models(calls, [["dear", "cheap"]], BOOK)
    assert (row["model"], row["instead"], row["calls"]) == ("dear", "acme/cheap", 3)
    assert row["now_usd"] == Decimal("1.65")
    assert row["then_usd"] == Decimal("0.25") + Decimal("2.7")
    assert row["saving_usd"] == Decimal("-1.3")
    assert row["saving_percent"] == Decimal("-78.79")


def test_what_has_no_price_is_in_no_sum() -> None:
    """A unit that the other model has no price for leaves the call out, counted."""
    pages = a_call(usage=Usage(pages=1))
    (row,) = other_models([a_call(), pages], [["dear", "cheap"]], BOOK)
    assert (row["calls"], row["priced_calls"]) == (2, 1)
    assert row["now_usd"] == Decimal("0.003")


def test_a_model_without_a_price_is_no_alternative() -> None:
    """A slip in a tier is told, rather than compared as free."""
    with pytest.raises(ConfigurationError, match="nobody-knows"):
        other_models([a_call()], [["dear", "nobody-knows"]], BOOK)


def test_a_conversation_that_goes_on_could_read_from_a_cache() -> None:
    """What was sent before is read, the rest written; within five minutes."""
    calls = [a_call(2000), a_call(5000, minutes=4)]
    (row,) = cached_elsewhere(calls, BOOK)
    assert row["now_usd"] == Decimal("0.021")
    written, read = Decimal("0.00000375"), Decimal("0.0000003")
    assert row["then_usd"] == 2000 * written + 2000 * read + 3000 * written
    assert (row["endpoint"], row["calls"]) == ("/chat", 2)


@pytest.mark.parametrize(
    "second",
    [
        a_call(5000, minutes=6),
        a_call(5000, minutes=1, conversation_id="c-2"),
        a_call(5000, minutes=1, conversation_id=None),
        a_call(900, minutes=1),
        a_call(minutes=1, usage=Usage(text_input_tokens=5000, cache_read_tokens=1)),
    ],
)
def test_where_a_cache_would_not_have_paid(second: Call) -> None:
    """Too late, of another conversation, too short, or cached already."""
    assert cached_elsewhere([a_call(2000), second], BOOK) == []


def test_tiers_of_a_file(tmp_path: Path) -> None:
    """A name and a list of models each; everything else is told."""
    file = tmp_path / "tiers.yaml"
    file.write_text("tiers:\n  small: [a, b]\n  large: [c, d, c]\n")
    assert read_tiers(file) == [["a", "b"], ["c", "d"]]
    for text in ("[]", "tiers: {small: a}", "tiers: {small: [a]}", "a: [", "\t"):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=r"tiers\.yaml"):
            read_tiers(file)
