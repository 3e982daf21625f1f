"""Every priced entry of the installed list, held against litellm's own functions.

litellm multiplies and adds in binary floats, which carry 15 to 17 significant digits;
ours are whole pico-dollars, each class rounded once. So both sides must be the same at
12 places, but for half a pico-dollar a class and the noise of litellm's own sum.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taximeter_processors.circumstances import Occurrence
from taximeter_processors.price_book import litellm_price_file
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS
from tests.litellm_side import Amounts, Litellm
from tests.price_cases import Fields, PriceCase, drawn, is_priced
from tests.price_differences import (
    DIFFERENCES,
    OTHER_ROWS,
    UNCOUNTED,
    as_litellm,
    is_refused,
)

PAGE = Path(__file__).parents[2] / "docs" / "pricing.md"
ENTRIES = litellm_price_file().entries()
EXAMPLES = {"sample_spec"}  # in the list, but nothing that anyone can call
PRICED = sorted(set(filter(lambda key: is_priced(ENTRIES[key]), ENTRIES)) - EXAMPLES)
TEXT = sorted(
    key
    for key in PRICED
    if "input_cost_per_token" in ENTRIES[key]
    and ENTRIES[key].get("mode") in ("chat", "responses", "completion", "embedding")
)
PICO = 10**12
FLOAT_NOISE = 4e-15  # a few steps of a double, relative to the amount


@pytest.fixture(scope="module")
def theirs() -> Iterator[Litellm]:
    """The library itself, with the price map that it was installed with."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        litellm = Litellm()
        with litellm.quiet():
            yield litellm


def our_amounts(fields: Fields, case: PriceCase) -> Amounts | None:
    """What we charge in pico-dollars by this entry alone, None if it is unpriced."""
    counts: dict[str, Any] = dict(case.counts)
    found = PriceBook({case.key: fields}, "v").price_counts(
        str(fields["litellm_provider"]),
        case.key,
        case.tier,
        counts,
        Occurrence(case.at, case.region, case.duration_ms, None, *case.choices),
    )
    if found.input_pico is None or found.output_pico is None:
        return None
    return found.input_pico, found.output_pico


def agree(ours: Amounts | None, usd: Amounts, fields: Fields, classes: int) -> bool:
    """Whether both are the same at 12 places: in and out, or their sum."""
    if ours is None:
        return False
    # litellm books a transcription as output; the amount is the same.
    if len(usd) == 1 or fields.get("mode") == "audio_transcription":
        ours, usd = (sum(ours),), (sum(usd),)
    return all(
        abs(pico - dollars * PICO) <= 1 + classes / 2 + FLOAT_NOISE * pico
        for pico, dollars in zip(ours, usd, strict=True)
    )


def compared(theirs: Litellm, case: PriceCase) -> tuple[str, list[int]]:
    """How a call differs, in words, and the rows of the table that explain it."""
    fields = ENTRIES[case.key]
    ours = our_amounts(fields, case)
    if is_refused(fields, case):
        with pytest.raises(Exception, match=r"mapped|pric|Provider|map"):
            theirs.cost(case, fields)
        return ("" if ours else f"{case}: unpriced by both"), [26]
    usd = theirs.cost(case, fields)
    if agree(ours, usd, fields, len(case.counts)):
        return "", []
    entry, call, rows = as_litellm(fields, case)
    seen = our_amounts(entry, call)
    if agree(seen, usd, fields, len(case.counts)):
        return "", rows
    return f"{case}: {ours} is not {usd}, and by rows {rows} it is {seen}", rows


def differences(theirs: Litellm, cases: Iterable[PriceCase]) -> tuple[str, set[int]]:
    """Every unexplained difference, and the rows that explained others."""
    unexplained, used = [], set[int]()
    for case in cases:
        words, rows = compared(theirs, case)
        used.update(rows)
        if words:
            unexplained.append(words)
    return "\n".join(unexplained), used


def calls_of(keys: Iterable[str], seed: int, calls: int) -> list[PriceCase]:
    """So many calls by token of each entry, and one of each other unit."""
    chance = random.Random(seed)
    return [c for key in keys for c in drawn(key, ENTRIES[key], chance, calls)]


def test_every_priced_entry_costs_what_litellm_says(theirs: Litellm) -> None:
    """Each entry agrees in every unit and at every boundary, or a row explains it."""
    calls = calls_of(PRICED, seed=1, calls=2)
    assert {case.key for case in calls} >= set(PRICED) - UNCOUNTED
    unexplained, used = differences(theirs, calls)
    assert not unexplained
    stale = {difference.row for difference in DIFFERENCES} - used
    assert not stale, "rows that explain nothing any more"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_calls_cost_what_litellm_says(theirs: Litellm, seed: int) -> None:
    """Twenty calls of each entry, with other numbers each time."""
    unexplained, _ = differences(theirs, calls_of(PRICED, seed, calls=20))
    assert not unexplained


TIERS = ("standard", "batch", "flex", "priority", "fast", "balanced", "ultrafast")
# litellm knows of citations at Perplexity only: see the calls of its own entries.
APART = {"text_input_tokens", "citation_tokens"}
CLASSES = tuple(n for n in (*INPUT_TOKENS, *OUTPUT_TOKENS) if n not in APART)
text_calls = st.builds(
    PriceCase,
    key=st.sampled_from(TEXT),
    counts=st.builds(
        lambda text, others: {"text_input_tokens": text, **others},
        st.integers(1, 1_000_000),
        st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 1_000_000)),
    ),
    tier=st.sampled_from(TIERS),
    region=st.sampled_from((None, "eu", "us", "global", "us-east5")),
    at=st.integers(0, 7 * 24 * 60).map(
        lambda minutes: PriceCase("", {}).at + timedelta(minutes=minutes)
    ),
)


SIZED = sorted(k for k in PRICED if re.search(r"\d-x-\d", k) and "max-steps" not in k)
NAMED = re.compile(
    r"(?:(?:azure|fal_ai)/)?(?:(?P<quality>[a-z]+)/)?(?P<size>[\d]+-x-[\d]+)"
    r"/(?:50-steps/)?(?P<model>.+)"
)


def test_a_size_and_a_quality_are_the_entry_of_that_name() -> None:
    """A model, a size and a quality cost what the entry named by all three costs."""
    book = PriceBook(ENTRIES, "v")
    used: dict[str, Any] = {"image_count": 3}
    for key in SIZED:
        named = NAMED.fullmatch(key)
        assert named is not None, key
        size = named["size"].replace("-x-", "x")
        call = Occurrence(
            PriceCase("", {}).at, image_size=size, image_quality=named["quality"]
        )
        provider = str(ENTRIES[key]["litellm_provider"])
        chosen = book.price_counts(provider, named["model"], "standard", used, call)
        by_name = book.price_counts(provider, key, "standard", used)
        assert by_name.unpriced_reason is None, key
        assert chosen[:3] == by_name[:3], (key, chosen, by_name)


@settings(max_examples=300)
@given(case=text_calls)
def test_any_call_costs_what_litellm_says(theirs: Litellm, case: PriceCase) -> None:
    """Whatever classes of tokens stand beside each other, the sums agree."""
    unexplained, _ = compared(theirs, case)
    assert not unexplained


def test_the_page_lists_every_difference() -> None:
    """docs/pricing.md has exactly the rows that the code has, each with a source."""
    section = PAGE.read_text("utf-8").partition("## Where we differ")[2]
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", section.partition("\n## ")[0], re.M)
    numbers = Counter(int(number) for number, _ in rows)
    known = {difference.row for difference in DIFFERENCES} | OTHER_ROWS
    assert numbers == Counter(known)
    assert all(re.search(r"`[\w/]+\.py`|https?://", row) for _, row in rows)
