"""What a call of litellm's may cost, from its arguments: for guards that ask first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from taximeter.estimates import Asked, Estimator
from taximeter_schemas.errors import ConfigurationError

__all__ = ["CallEstimates"]

_MOST: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_TEXTS: Final = ("messages", "input", "prompt")


class CallEstimates:
    """Estimates by price, the text that is sent and the answer's greatest length.

        LiteLLMGuard(guard, estimate=CallEstimates())

    Counting a text's tokens takes from microseconds to milliseconds. What is no text,
    such as an image, is not counted.

    Args:
        prices: by which to estimate; without it by those of the installed list.
        output_tokens: how long an answer may get where a call does not say.
    """

    def __init__(
        self, prices: Estimator | None = None, output_tokens: int = 1024
    ) -> None:
        self._prices = prices or Estimator.installed()
        self._output_tokens = output_tokens

    def __call__(self, call: Mapping[str, Any]) -> Decimal | None:
        """Return USD: 0 for a free model, None for one without a known price."""
        try:
            asked = Asked(
                model=call.get("model") or "",
                provider=call.get("custom_llm_provider"),
                text="\n".join(_texts([call.get(name) for name in _TEXTS])),
                max_output_tokens=self._most(call),
            )
            return self._prices.estimate(asked).cost_usd
        except (ConfigurationError, ValidationError):
            return None

    def _most(self, call: Mapping[str, Any]) -> int:
        said = (call.get(name) for name in _MOST)
        most = next((one for one in said if isinstance(one, int)), self._output_tokens)
        choices = call.get("n")
        return most * (choices if isinstance(choices, int) else 1)


def _texts(content: object) -> Iterator[str]:
    """Yield the texts in messages, their parts, or lists of either."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from _texts(part)
    elif isinstance(content, Mapping):
        yield from _texts(content.get("content") or content.get("text"))
