"""`docs/otlp.md` and `docs/clients.md` say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from taximeter.otlp.intake import OUTCOMES
from taximeter.otlp.kinds import Kind, judged
from taximeter.otlp.spans import Span
from taximeter_producers.call_ids import call_event_id
from taximeter_schemas.ids import NAMESPACE

DOCS = Path(__file__).parents[2] / "docs"
OTLP = (DOCS / "otlp.md").read_text("utf-8")
CLIENTS = (DOCS / "clients.md").read_text("utf-8")
ROW = re.compile(r"^\| `([\w.]+)`[^|]*\|([^|]*)\|([^|]*)\|$", re.MULTILINE)


def stated() -> list[tuple[str, str, Kind]]:
    """Return each value that the table of spans names, and what it makes of a span."""
    table = OTLP[OTLP.index("| attribute |") : OTLP.index("| none of these")]
    rows = ROW.findall(table)
    assert len(rows) == 7
    return [
        (attribute, value.replace("….", "ai.generateText."), kind)
        for attribute, calls, around in rows
        for kind, cell in ((Kind.CALL, calls), (Kind.AROUND, around))
        for value in re.findall(r"`([\w.…]+)`", cell)
        if not value.startswith(("…_", "….doStream", "….doEmbed"))
    ]


@pytest.mark.parametrize(("attribute", "value", "kind"), stated())
def test_a_span_is_what_the_table_says(attribute: str, value: str, kind: Kind) -> None:
    """Each value of each attribute."""
    assert judged(Span("1", "2", attributes={attribute: value})).kind is kind


def test_the_page_lists_every_outcome() -> None:
    """In the order of the code, once each."""
    table = OTLP[OTLP.index("| outcome |") : OTLP.index("## Answers")]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == OUTCOMES


def test_the_example_of_an_id_is_right() -> None:
    """Whoever follows the page makes the ids that Taximeter makes."""
    assert f"`{NAMESPACE}`" in CLIENTS
    made = call_event_id("openai", "chatcmpl-example-0001")
    assert f"`openai` and `chatcmpl-example-0001` make `{made}`" in CLIENTS


@pytest.mark.parametrize("page", [OTLP, CLIENTS])
def test_links_lead_somewhere(page: str) -> None:
    """Files and headings that the pages link to exist."""
    for target in re.findall(r"\]\((?!http)([^)]+)\)", page):
        path, _, heading = target.partition("#")
        assert (DOCS / path).exists(), target
        if heading:
            headings = re.findall(
                r"^#+ (.+)$", (DOCS / path).read_text("utf-8"), re.MULTILINE
            )
            slugs = [
                re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings
            ]
            assert heading in slugs, target
