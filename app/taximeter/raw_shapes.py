"""Which API gave a raw answer: as its sender says, or by its own marks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from taximeter_producers.provider_usage import recognised_stream
from taximeter_producers.usage_shapes.recognise import recognised
from taximeter_producers.usage_shapes.streams import events_of
from taximeter_producers.usage_shapes.table import SHAPES, shape_named
from taximeter_schemas.errors import UnknownShape

__all__ = ["STREAM_MARKS", "Answer", "is_stream", "shape_of"]

Answer = Mapping[str, object] | list[object] | str
"""The body of an answer as JSON has it; or, of a streamed one, its chunks or text."""


STREAM_MARKS: Final = ("data:", "event:", "id:", "retry:", ":")
"""What server-sent events begin with."""


def is_stream(answer: Answer) -> bool:
    """Tell whether an answer was streamed.

    >>> is_stream('data: {"id": "1"}'), is_stream([{}]), is_stream({"id": "1"})
    (True, True, False)
    """
    return not isinstance(answer, Mapping)


def shape_of(provider: str, answer: Answer, given: str | None) -> str:
    """Return the shape that was named, or the only one that it can be.

    >>> shape_of("anthropic", {"usage": {"input_tokens": 3}}, None)
    'anthropic.messages'
    >>> shape_of("my-gateway", {}, "openai.responses")
    'openai.responses'

    Raises:
        UnknownShape: there is none of this name, or it could be several.
    """
    if given is not None:
        return shape_named(given if "." in given else f"{provider}.{given}")[0]
    try:
        return _recognised(answer)
    except UnknownShape as error:
        own = _only_of(provider, error.candidates) or _only_of(provider, SHAPES)
        if own is None:
            raise
        return own


def _recognised(answer: Answer) -> str:
    if isinstance(answer, Mapping):
        return recognised(answer)
    try:
        return recognised_stream(list(events_of(answer)))
    except ValueError:  # a chunk that is no JSON
        raise UnknownShape(None, sorted(SHAPES)) from None


def _only_of(provider: str, names: Iterable[str]) -> str | None:
    """Return the one shape of a provider among these; all know the vendor's chat."""
    try:
        provider = shape_named(f"{provider}.chat")[0].partition(".")[0]
    except UnknownShape:
        return None
    own = [name for name in names if name.partition(".")[0] == provider]
    return own[0] if len(own) == 1 else None
