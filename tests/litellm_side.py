"""What litellm itself says a call costs, by the function it uses for that mode.

The other side of the differential test: it turns our disjoint buckets into the shapes
that litellm reads, whose totals include their parts, and calls nothing but litellm.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from taximeter_processors.model_names import family_of
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS
from tests.price_cases import Fields, PriceCase, size_of

__all__ = ["Litellm"]

Amounts = tuple[float, ...]
"""Input and output cost, or one sum of both where litellm does not tell them apart."""

_IMAGE_MODES: Final = ("image_generation", "image_edit")


class Litellm:
    """The library, with the price map that it was installed with."""

    def __init__(self) -> None:
        assert os.environ.get("LITELLM_LOCAL_MODEL_COST_MAP") == "True"
        import litellm

        litellm.suppress_debug_info = True
        self._litellm: Any = litellm
        self._names: dict[str, tuple[str, str]] = {}
        self._twins: dict[str, str] = {}
        self._hidden: dict[str, Any] = {}

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep its warnings about calls that it prices at 0 out of the log."""
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)

    def cost(self, case: PriceCase, fields: Fields) -> Amounts:
        """Return what litellm charges for a call."""
        from litellm._internal_context import pinned_billing_time

        self._learn(case.key, fields)
        self._alone(case.key)
        with pinned_billing_time(case.at):
            return self._cost(case, fields)

    def _cost(self, case: PriceCase, fields: Fields) -> Amounts:
        for name, tool in self._tools.items():
            if name in case.counts:
                return tool(case, fields)
        mode = fields.get("mode")
        if mode in _IMAGE_MODES:
            return self._image(case, fields)
        if case.tier == "batch" and any(
            name.endswith("_tokens") for name in case.counts
        ):
            return self._batch(case, fields)
        return self._by_mode.get(mode, self._tokens)(case, fields)

    @property
    def _tools(self) -> Mapping[str, Callable[[PriceCase, Fields], Amounts]]:
        return {
            "web_searches": self._searches,
            "maps_queries": self._maps,
            "sessions": self._sessions,
        }

    @property
    def _by_mode(self) -> Mapping[object, Callable[[PriceCase, Fields], Amounts]]:
        return {
            "audio_speech": self._speech,
            "audio_transcription": self._transcription,
            "ocr": self._pages,
            "rerank": self._rerank,
            "search": self._search,
            "vector_store": self._stored,
            "video_generation": self._video,
        }

    def name(self, key: str) -> tuple[str, str]:
        """Return the model and the provider by which litellm finds this entry."""
        return self._names[key]

    def _learn(self, key: str, fields: Fields) -> None:
        """Find out how litellm calls an entry, and which other one hides it.

        "deepseek-chat" of DeepSeek is "deepseek/deepseek-chat" to it as long as there
        is one, so that one has to go while the other is priced.
        """
        if key in self._names:
            return
        self._alone("")  # to see every name
        provider = str(fields["litellm_provider"])
        family = family_of(provider)
        model = key.removeprefix(f"{family}/")
        for spelt in ((key, family), (model, family)):
            if self._finds(*spelt) == key:
                self._names[key] = spelt
                return
        twin = self._finds(key, family)
        self._names[key] = (key, provider if twin is None else family)
        if twin is not None:
            self._twins[key] = twin

    def _alone(self, key: str) -> None:
        """Hide the entry that litellm would take instead, until another key is asked.

        Hiding makes it forget what it had looked up, which takes milliseconds.
        """
        twin = self._twins.get(key)
        if twin in self._hidden or (twin is None and not self._hidden):
            return
        from litellm.utils import _invalidate_model_cost_lowercase_map as forget

        prices = self._litellm.model_cost
        prices.update(self._hidden)
        self._hidden = {} if twin is None else {twin: prices.pop(twin)}
        forget()

    def _finds(self, model: str, provider: str | None) -> str | None:
        try:
            found = self._litellm.get_model_info(model, custom_llm_provider=provider)
        except Exception:
            return None
        return str(found["key"])

    def _per_token(self, case: PriceCase, fields: Fields, **more: object) -> Amounts:
        model, provider = self.name(case.key)
        tier = None if case.tier == "standard" else case.tier
        family = family_of(str(fields["litellm_provider"]))
        found = self._litellm.cost_per_token(
            model=model,
            custom_llm_provider=provider,
            usage_object=_usage(case),
            service_tier=tier,
            data_residency=case.region if family == "openai" else None,
            vertex_location=case.region if family == "vertex_ai" else None,
            response_time_ms=case.duration_ms,
            **more,
        )
        return tuple(map(float, found))

    def _tokens(self, case: PriceCase, fields: Fields) -> Amounts:
        call_type = "embedding" if fields.get("mode") == "embedding" else "completion"
        return self._per_token(
            case,
            fields,
            call_type=call_type,
            prompt_characters=case.counts.get("characters"),
            completion_characters=case.counts.get("output_characters"),
        )

    def _speech(self, case: PriceCase, fields: Fields) -> Amounts:
        characters = case.counts.get("characters")
        return self._per_token(
            case, fields, call_type="speech", prompt_characters=characters
        )

    def _transcription(self, case: PriceCase, fields: Fields) -> Amounts:
        seconds = float(case.counts.get("audio_seconds", 0))
        return self._per_token(
            case,
            fields,
            call_type="transcription",
            audio_transcription_file_duration=seconds,
        )

    def _rerank(self, case: PriceCase, fields: Fields) -> Amounts:
        units = {
            "search_units": case.counts.get("queries"),
            "total_tokens": sum(case.counts.get(name, 0) for name in INPUT_TOKENS),
        }
        return self._per_token(
            case, fields, call_type="rerank", rerank_billed_units=units
        )

    def _search(self, case: PriceCase, fields: Fields) -> Amounts:
        queries = int(case.counts["queries"])
        return self._per_token(
            case,
            fields,
            call_type="search",
            number_of_queries=queries,
            response=_Searched(case, queries),
        )

    def _batch(self, case: PriceCase, fields: Fields) -> Amounts:
        from litellm.cost_calculator import batch_cost_calculator

        model, provider = self.name(case.key)
        family = family_of(str(fields["litellm_provider"]))
        return batch_cost_calculator(
            _usage(case),
            model,
            provider,
            data_residency=case.region if family == "openai" else None,
            vertex_location=case.region if family == "vertex_ai" else None,
        )

    def _pages(self, case: PriceCase, fields: Fields) -> Amounts:
        from litellm.cost_calculator import ocr_batch_cost, ocr_cost
        from litellm.llms.base_llm.ocr.transformation import OCRResponse, OCRUsageInfo

        model, provider = self.name(case.key)
        used: Any = OCRUsageInfo(
            pages_processed=int(case.counts.get("pages", 0)),
            pages_processed_annotation=int(case.counts.get("annotated_pages", 0)),
        )
        if "credits" in case.counts:
            used.credits = case.counts["credits"]
        if case.tier == "batch":
            return ocr_batch_cost(model, provider, used)
        answer = OCRResponse(pages=[], model=model, usage_info=used)
        return ocr_cost(model, provider, answer)

    def _video(self, case: PriceCase, fields: Fields) -> Amounts:
        from litellm.cost_calculator import default_video_cost_calculator

        seconds = float(case.counts.get("video_seconds", 0))
        provider = str(fields["litellm_provider"])
        resolution = case.choices.video_resolution
        found = default_video_cost_calculator(
            case.key, seconds, provider, video_resolution=resolution
        )
        return (found,)

    def _image(self, case: PriceCase, fields: Fields) -> Amounts:
        from litellm.litellm_core_utils.llm_cost_calc.utils import CostCalculatorUtils
        from litellm.types.utils import ImageObject, ImageResponse

        model, _ = self.name(case.key)
        width, height = size_of(case.key)
        asked, steps = f"{width}-x-{height}", 50
        if "-steps/" in case.key:  # Bedrock's entries are named by size and steps
            asked, most, *_, model = case.key.split("/")
            steps = 51 if most == "max-steps" else 50
        count = int(case.counts.get("image_count", 0))
        if "image_pixels" in case.counts:
            count = int(case.counts["image_pixels"]) // (width * height)
        answer = ImageResponse(data=[ImageObject(url="x")] * count)
        answer.usage = _image_usage(case)
        router: Any = CostCalculatorUtils.route_image_generation_cost_calculator
        found = router(
            model=model,
            completion_response=answer,
            custom_llm_provider=family_of(str(fields["litellm_provider"])),
            call_type=fields["mode"],
            size=asked,
            optional_params={"steps": steps, "resolution": case.choices.image_size},
            vertex_location=case.region,
        )
        return (float(found),)

    def _stored(self, case: PriceCase, fields: Fields) -> Amounts:
        """It prices one search, whatever the answer."""
        from litellm.cost_calculator import vector_store_search_cost

        nothing: Any = None
        found = vector_store_search_cost(case.key, "vertex_ai", nothing)
        return (float(sum(found)) * int(case.counts["queries"]),)

    def _sessions(self, case: PriceCase, fields: Fields) -> Amounts:
        from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import (
            StandardBuiltInToolCostTracking as Tools,
        )

        sessions, provider = int(case.counts["sessions"]), fields["litellm_provider"]
        return (Tools.get_cost_for_code_interpreter(sessions, provider),)

    def _maps(self, case: PriceCase, fields: Fields) -> Amounts:
        from litellm.llms import get_cost_for_google_maps_grounding_request

        usage: Any = _usage(case)
        count = int(case.counts["maps_queries"])
        usage.prompt_tokens_details.google_maps_grounding_requests = count
        family = family_of(str(fields["litellm_provider"]))
        found = get_cost_for_google_maps_grounding_request(
            family, usage, self._info(case)
        )
        return (float(found or 0),)

    def _searches(self, case: PriceCase, fields: Fields) -> Amounts:
        from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import (
            StandardBuiltInToolCostTracking as Tools,
        )
        from litellm.llms import get_cost_for_web_search_request
        from litellm.types.utils import ServerToolUse

        usage: Any = _usage(case)
        count = int(case.counts["web_searches"])
        usage.prompt_tokens_details.web_search_requests = count
        usage.server_tool_use = ServerToolUse(web_search_requests=count)
        usage.server_side_tool_usage_details = {"web_search_calls": count}
        family = family_of(str(fields["litellm_provider"]))
        if family == "perplexity":  # part of its price for tokens
            model, provider = self.name(case.key)
            return (
                sum(
                    self._litellm.cost_per_token(
                        model, custom_llm_provider=provider, usage_object=usage
                    )
                ),
            )
        found = get_cost_for_web_search_request(family, usage, self._info(case))
        if found is None:
            asked: Any = {"search_context_size": case.choices.search_context_size}
            found = count * Tools.get_cost_for_web_search(asked, self._info(case))
        return (float(found),)

    def _info(self, case: PriceCase) -> Any:  # noqa: ANN401 - litellm's own type
        model, provider = self.name(case.key)
        return self._litellm.get_model_info(model, custom_llm_provider=provider)


def _usage(case: PriceCase) -> Any:  # noqa: ANN401 - litellm's own type
    from litellm.types.utils import (
        CacheCreationTokenDetails,
        CompletionTokensDetailsWrapper,
        PromptTokensDetailsWrapper,
        Usage,
    )

    used = _Counts(case.counts)
    # Citations stand beside the prompt.
    prompt = sum(used[name] for name in INPUT_TOKENS if name != "citation_tokens")
    completion = sum(used[name] for name in OUTPUT_TOKENS)
    short = used["cache_write_5m_tokens"] + used["cache_write_12h_tokens"]
    long, explicit = used["cache_write_1h_tokens"], used["cache_read_explicit_tokens"]
    audio, image = used["cache_read_audio_tokens"], used["cache_read_image_tokens"]
    details: dict[str, object] = {
        "text_tokens": used["text_input_tokens"],
        "audio_tokens": used["audio_input_tokens"] + audio,
        "image_tokens": used["image_input_tokens"] + image,
        "video_tokens": used["video_input_tokens"],
        "cached_tokens": used["cache_read_tokens"] + audio + image + explicit,
        "cached_tokens_details": {"audio_tokens": audio, "image_tokens": image},
        "cache_creation_tokens": short + long,
        "cache_creation_token_details": CacheCreationTokenDetails(
            ephemeral_5m_input_tokens=short, ephemeral_1h_input_tokens=long
        ),
        "character_count": used["characters"] or None,
        "image_count": used["image_count"] or None,
        "audio_length_seconds": float(used["audio_seconds"]) or None,
        "video_length_seconds": float(used["video_seconds"]) or None,
        "query_count": used["queries"] or None,
    }
    return Usage(
        speed="fast" if case.tier == "fast" else None,
        inference_geo=case.region,
        citation_tokens=used["citation_tokens"],
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptTokensDetailsWrapper(**details),
        completion_tokens_details=CompletionTokensDetailsWrapper(
            text_tokens=used["text_output_tokens"],
            reasoning_tokens=used["reasoning_output_tokens"],
            audio_tokens=used["audio_output_tokens"],
            image_tokens=used["image_output_tokens"],
            video_tokens=used["video_output_tokens"],
        ),
    )


def _image_usage(case: PriceCase) -> Any:  # noqa: ANN401 - litellm's own type
    from litellm.types.utils import ImageUsage, ImageUsageInputTokensDetails

    used = _Counts(case.counts)
    prompt = sum(used[name] for name in INPUT_TOKENS)
    completion = sum(used[name] for name in OUTPUT_TOKENS)
    usage: Any = ImageUsage(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=prompt + completion,
        input_tokens_details=ImageUsageInputTokensDetails(
            text_tokens=used["text_input_tokens"],
            image_tokens=used["image_input_tokens"],
        ),
    )
    usage.output_tokens_details = {
        "text_tokens": used["text_output_tokens"],
        "image_tokens": used["image_output_tokens"],
        "reasoning_tokens": used["reasoning_output_tokens"],
    }
    return usage


class _Searched:
    """What Parallel's answer says of itself: its mode, and how many searches it was."""

    def __init__(self, case: PriceCase, queries: int) -> None:
        used = [{"name": "sku_search", "count": queries}]
        mode, most = case.key.rpartition("search-")[2], case.choices.max_results
        self._hidden_params: dict[str, object] = {
            "mode": mode,
            "_parallel_ai_usage": used,
            **({} if most is None else {"max_results": most}),
        }


class _Counts(dict[str, Any]):
    def __missing__(self, name: str) -> int:
        return 0
