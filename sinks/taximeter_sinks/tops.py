"""Who and what a subject spent most on, as SQL over `charges`: pure, text in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from taximeter_schemas.subjects import FIELDS, Subject
from taximeter_sinks.dimensions import within
from taximeter_sinks.hourly import of_subject

__all__ = ["TOP_KINDS", "Top", "tops_query"]

TOP_KINDS: Final = ("model", "user")
"""By what is told apart."""


class Top(NamedTuple):
    """One model or user, and what it cost; `by` says which it is."""

    by: str
    name: str
    cost_usd: Decimal


def tops_query(
    subject: Subject,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    by: Sequence[str] = TOP_KINDS,
) -> str:
    """Return the query for the dearest models and users in a subject's `[start, end)`.

    What has no price is not among them.
    """
    where = " AND ".join([*within(start, end), *of_subject(subject)])
    parts = [
        f"(SELECT '{kind}' AS by, {FIELDS[kind]} AS name, sum(cost_usd) AS cost_usd "  # noqa: S608
        f"FROM charges WHERE {where} AND cost_usd IS NOT NULL "
        f"GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT {int(limit)})"
        for kind in by
    ]
    return " UNION ALL ".join(parts)
