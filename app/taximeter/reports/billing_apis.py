"""What providers' billing APIs answer, asked page by page with an admin key.

OpenAI's costs by line item and usage of completions by model, Anthropic's cost and
usage reports: the answers that `bills` reads, over whole days in UTC.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from taximeter.moments import moment_in
from taximeter_schemas.errors import ConfigurationError

__all__ = ["APIS", "Days", "billed_pages"]

_TIMEOUT_SECONDS: Final = 60.0
_RETRIES: Final = Retry(
    total=5,
    connect=1,
    backoff_factor=1,
    status_forcelist=(429, 500, 502, 503, 504, 529),
)
_REFUSED: Final = (401, 403)

Query = Mapping[str, str | int]
Page = Mapping[str, Any]


class Days(NamedTuple):
    """Whole days in UTC; the first is included, the second is not."""

    first: date
    end: date


class _Report(NamedTuple):
    path: str
    query: Query


class _Api(NamedTuple):
    """One provider's: where it is, which keys it takes, and what is asked of it."""

    url: str
    keys: Sequence[str]
    headers: Callable[[str], dict[str, str]]
    stretch: Callable[[Days], Query]
    reports: Sequence[_Report]


def _unix(day: date) -> int:
    return int(moment_in("UTC", day).timestamp())


APIS: Final[Mapping[str, _Api]] = {
    "openai": _Api(
        "https://api.openai.com",
        ("OPENAI_ADMIN_KEY",),
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda days: {"start_time": _unix(days.first), "end_time": _unix(days.end)},
        (
            _Report("/v1/organization/costs", {"group_by": "line_item", "limit": 180}),
            _Report(
                "/v1/organization/usage/completions",
                {"group_by": "model", "bucket_width": "1d", "limit": 31},
            ),
        ),
    ),
    "anthropic": _Api(
        "https://api.anthropic.com",
        ("ANTHROPIC_ADMIN_KEY", "ANTHROPIC_ADMIN_API_KEY"),
        lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
        lambda days: {
            "starting_at": f"{days.first}T00:00:00Z",
            "ending_at": f"{days.end}T00:00:00Z",
        },
        (
            _Report(
                "/v1/organizations/cost_report",
                {"group_by[]": "description", "bucket_width": "1d", "limit": 31},
            ),
            _Report(
                "/v1/organizations/usage_report/messages",
                {"group_by[]": "model", "bucket_width": "1d", "limit": 31},
            ),
        ),
    ),
}
"""The billing APIs that are known; a limit is the most buckets that one answers."""


def billed_pages(provider: str, days: Days, url: str | None = None) -> Iterator[Page]:
    """Yield each page of what a provider billed on these days.

    The key is taken from the environment. Busy answers are asked for again, as their
    Retry-After says.

    Args:
        provider: one of `APIS`.
        days: which days.
        url: where the API is, if not where the provider has it.

    Raises:
        ConfigurationError: there is no key, it is refused, or there is no answer.
    """
    api = APIS[provider]
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_RETRIES))
        session.headers.update(api.headers(_key(provider)))
        for report in api.reports:
            where = (url or api.url).rstrip("/") + report.path
            yield from _pages(session, where, {**api.stretch(days), **report.query})


def _key(provider: str) -> str:
    names = APIS[provider].keys
    for name in names:
        if key := os.environ.get(name, "").strip():
            return key
    raise ConfigurationError(
        f"{provider}'s bills need an admin key of the organisation, not one for calls: "
        f"set {' or '.join(names)}"
    )


def _pages(session: requests.Session, url: str, query: Query) -> Iterator[Page]:
    page: Page = {"next_page": None}
    while True:
        turn = {"page": page["next_page"]} if page["next_page"] else {}
        page = {"next_page": None, **_answer(session, url, {**query, **turn})}
        yield page
        if not (page.get("has_more") and page["next_page"]):
            return


def _answer(session: requests.Session, url: str, query: Query) -> Page:
    try:
        told = session.get(url, params=query, timeout=_TIMEOUT_SECONDS)
        if told.status_code in _REFUSED:
            raise ConfigurationError(
                f"{url} refuses the key ({told.status_code}): it has to be an admin "
                "key of the organisation"
            )
        told.raise_for_status()
        answer = json.loads(told.text, parse_float=Decimal)
    except (requests.RequestException, ValueError) as error:
        raise ConfigurationError(f"no bill from {url}: {error}") from None
    if not isinstance(answer, dict):
        raise ConfigurationError(f"no bill from {url}: the answer is no page")
    return answer
