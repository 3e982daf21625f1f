"""Reference: the same chat usages through litellm's `cost_per_token`."""

from __future__ import annotations

import os
from time import process_time
from typing import TYPE_CHECKING, Any

from taximeter.bench.chats import chats

if TYPE_CHECKING:
    from litellm import Usage

__all__ = ["run"]


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Price `usages` usages, after each model has been seen once."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    usages = [
        (provider, model, _usage(counts))
        for provider, model, counts in chats(facts["usages"])
    ]
    _price(usages[:100])
    started = process_time()
    _price(usages)
    return {"usages_per_second": len(usages) / (process_time() - started)}


def _price(usages: list[tuple[str, str, Usage]]) -> None:
    from litellm import cost_per_token  # noqa: PLC0415 - after its setting

    for provider, model, usage in usages:
        cost_per_token(model, custom_llm_provider=provider, usage_object=usage)


def _usage(counts: dict[str, int]) -> Usage:
    from litellm import Usage  # noqa: PLC0415 - after its setting
    from litellm.types.utils import PromptTokensDetailsWrapper  # noqa: PLC0415

    sent = counts["text_input_tokens"] + counts["cache_read_tokens"]
    return Usage(
        prompt_tokens=sent,
        completion_tokens=counts["text_output_tokens"],
        total_tokens=sent + counts["text_output_tokens"],
        prompt_tokens_details=PromptTokensDetailsWrapper(
            text_tokens=counts["text_input_tokens"],
            cached_tokens=counts["cache_read_tokens"],
        ),
    )
