"""What else a model may be called: one step after the other, each from a known rule.

Pure. A step turns a name into a plainer one that means the same model at the same
price; where that is not certain there is no step, and the model stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

__all__ = ["FREE", "Spelling", "spellings"]

FREE: Final = "free variant"


class Spelling(NamedTuple):
    """A name to look for, and the rule that led to it; none for a name as it stands."""

    name: str
    rule: str = ""


Families = tuple[str, ...]
_Step = Callable[[Families, str], Iterator[Spelling]]

_ARN: Final = re.compile(
    r"arn:aws[\w-]*:bedrock:(?P<region>[\w-]*):\d*:"
    r"(?P<kind>foundation-model|inference-profile)/(?P<model>[^/]+)"
)
_RESOURCE: Final = re.compile(r"(?:.*/)?(?:publishers/[^/]+/)?models/(?P<model>[^/]+)")
_GEOGRAPHY: Final = re.compile(r"(?:us|eu|apac|au|jp|ca)\.(?P<model>[a-z0-9]+\..+)")
_ROUTE: Final = re.compile(r"(?:converse|invoke)/(?P<model>.+)")
_DATED: Final = re.compile(r"(?P<model>.+)(?P<sign>[-@])(?P<date>20\d{6})")
_VARIANT: Final = re.compile(
    r"(?P<model>.+):(?P<variant>free|nitro|floor|exacto|online)"
)


def spellings(families: Families, model: str) -> Iterator[Spelling]:
    """Yield the names of a model at a provider, the plainest last.

    >>> list(spellings(("openai",), "gpt-4o"))
    [Spelling(name='gpt-4o', rule='')]

    A resource's full name:

    >>> list(spellings(("gemini",), "models/gemini-2.5-pro"))[-1]
    Spelling(name='gemini-2.5-pro', rule='resource name')

    Bedrock's ARNs name the model, or a profile of it, and a foundation model's also the
    region; profiles that an account made itself have names of their own and stay
    unknown:

    >>> arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
    >>> [one.name for one in spellings(("bedrock",), arn)][1:]
    ['us-east-1/amazon.nova-lite-v1:0', 'amazon.nova-lite-v1:0']
    >>> arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x1"
    >>> [one.name for one in spellings(("bedrock",), arn)] == [arn]
    True

    A profile of one geography costs what the model costs; the global ones and those of
    the government have prices of their own:

    >>> list(spellings(("bedrock",), "apac.amazon.nova-lite-v1:0"))[-1]
    Spelling(name='amazon.nova-lite-v1:0', rule='inference profile')
    >>> len(list(spellings(("bedrock",), "global.amazon.nova-lite-v1:0")))
    1

    One snapshot, as Anthropic and as Vertex AI write its date:

    >>> list(spellings(("vertex_ai",), "claude-opus-4-20250514"))[-1]
    Spelling(name='claude-opus-4@20250514', rule='date as @')

    What is tuned costs what OpenAI states for tuned models of that base:

    >>> list(spellings(("openai",), "ft:gpt-4o-2024-08-06:acme::A1b2"))[-1]
    Spelling(name='ft:gpt-4o-2024-08-06', rule='fine-tuned')

    OpenRouter's suffixes say how a provider is chosen, or that nobody pays. What is a
    model of its own (":thinking", ":extended") needs an entry of its own:

    >>> list(spellings(("openrouter",), "deepseek/deepseek-r1:nitro"))[-1]
    Spelling(name='deepseek/deepseek-r1', rule='variant :nitro')
    >>> list(spellings(("openrouter",), "deepseek/deepseek-r1:free"))[-1].rule
    'free variant'
    """
    last = Spelling(model.strip())
    yield last
    for step in _STEPS:
        for found in step(families, last.name):
            last = found
            yield last


def _resource(families: Families, name: str) -> Iterator[Spelling]:
    if {"gemini", "vertex_ai"} & set(families) and (found := _RESOURCE.fullmatch(name)):
        yield Spelling(found["model"], "resource name")


def _arn(families: Families, name: str) -> Iterator[Spelling]:
    found = _ARN.fullmatch(name)
    if "bedrock" not in families or found is None:
        return
    if found["kind"] == "foundation-model":
        yield Spelling(f"{found['region']}/{found['model']}", "ARN")
    yield Spelling(found["model"], "ARN")


def _route(families: Families, name: str) -> Iterator[Spelling]:
    if "bedrock" in families and (found := _ROUTE.fullmatch(name)):
        yield Spelling(found["model"], "route")


def _profile(families: Families, name: str) -> Iterator[Spelling]:
    if "bedrock" in families and (found := _GEOGRAPHY.fullmatch(name)):
        yield Spelling(found["model"], "inference profile")


def _date(families: Families, name: str) -> Iterator[Spelling]:
    found = _DATED.fullmatch(name)
    if found is None or not {"vertex_ai", "anthropic"} & set(families):
        return
    other = "@" if found["sign"] == "-" else "-"
    yield Spelling(f"{found['model']}{other}{found['date']}", f"date as {other}")


def _tuned(_: Families, name: str) -> Iterator[Spelling]:
    if name.startswith("ft:") and name.count(":") > 1:
        yield Spelling(":".join(name.split(":", 2)[:2]), "fine-tuned")


def _variant(families: Families, name: str) -> Iterator[Spelling]:
    if "openrouter" in families and (found := _VARIANT.fullmatch(name)):
        free = found["variant"] == "free"
        rule = FREE if free else f"variant :{found['variant']}"
        yield Spelling(found["model"], rule)


_STEPS: Final[tuple[_Step, ...]] = (
    _resource,
    _arn,
    _route,
    _profile,
    _date,
    _tuned,
    _variant,
)
