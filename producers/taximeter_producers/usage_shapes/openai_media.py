"""OpenAI's images, videos, transcriptions and speech: tokens, or another unit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from taximeter_producers.usage_shapes.bodies import Faulty, Part
from taximeter_producers.usage_shapes.counted import Counted
from taximeter_producers.usage_shapes.openai_tokens import read_tokens

__all__ = ["read_images", "read_speech", "read_transcription", "read_videos"]


def read_images(usage: Part, body: Part) -> Counted:
    """Read generated or edited images: how many, and their tokens if stated.

    Output tokens are image tokens as far as no detail says otherwise.
    """
    made = body.value("data")
    images = len(made) if isinstance(made, (list, tuple)) else 0
    if not usage.said:
        if not images:
            raise Faulty("usage", "is not stated, and there are no images")
        return Counted(units={"image_count": images})
    return replace(_all_output_is(usage, "image"), units={"image_count": images})


def read_videos(usage: Part, body: Part) -> Counted:
    """Read a made video: how long it is, be it stated with its usage or beside it.

    The job that makes it states the length from the start; one that failed is free.
    """
    if body.value("status") == "failed":
        return Counted()
    seconds = usage.seconds("duration_seconds") or body.seconds("seconds")
    if not seconds:
        raise Faulty("seconds", "is not stated")
    return Counted(units={"video_seconds": seconds * (usage.count("video_count") or 1)})


def read_transcription(usage: Part, body: Part) -> Counted:
    """Read a transcription or translation: by tokens, or by the length of the audio.

    A verbose answer without usage states the `duration` of what was heard.
    """
    if usage.value("type") == "duration" or usage.states("seconds"):
        return _heard(usage, usage.seconds("seconds"))
    if not usage.said:
        if not body.states("duration"):
            raise Faulty("usage", "is not stated, and neither is a duration")
        return _heard(body, body.seconds("duration"))
    counted = read_tokens(usage)
    if counted.input_by or usage.part("input_token_details").states("text_tokens"):
        return counted
    return replace(counted, input_by={"audio": counted.input})


def read_speech(usage: Part, body: Part) -> Counted:
    """Read made speech: by tokens, or by the characters of the request's `input`.

    The answer is sound and says nothing of usage; models that are billed by
    characters are read from the body of the request.
    """
    if usage.said:
        return _all_output_is(usage, "audio")
    spoken = body.value("input")
    if not isinstance(spoken, str):
        raise Faulty("usage", "is not stated, and neither is the request's input")
    return Counted(units={"characters": len(spoken)})


def _all_output_is(usage: Part, modality: str) -> Counted:
    counted = read_tokens(usage)
    details = usage.part("output_tokens_details", "output_token_details")
    if counted.output_by or details.states("text_tokens"):
        return counted
    return replace(counted, output_by={modality: counted.output})


def _heard(whole: Part, seconds: Decimal) -> Counted:
    if not seconds:
        raise Faulty(whole.path or "duration", "states no length")
    return Counted(units={"audio_seconds": seconds})
