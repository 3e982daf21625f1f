"""794 real answers mean, in our buckets, what they mean."""

from __future__ import annotations

import json

from taximeter_producers import reading_from_response, usage_from_response
from tests.provider_bodies import CLASSES, classes_of, real_bodies

# Classes that the data leaves out where there are none of them. The others are left
# out also where nobody itemised them.
_ALWAYS_STATED = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_reasoning_tokens",
    "web_searches",
)

# Parts of a class, or kinds of text, that our buckets do not tell apart.
_NOT_APART = {
    "input_tool_tokens",
    "input_text_tool_tokens",
    "input_text_tokens",
    "input_video_tokens",
    "output_text_tokens",
    "cache_text_read_tokens",
    "cache_video_read_tokens",
}


def test_every_body_agrees_class_by_class() -> None:
    """Every class that a body states comes out as its buckets' sum, and no other."""
    bodies = real_bodies()
    assert len(bodies) == 794
    for one in bodies:
        expected = dict.fromkeys(_ALWAYS_STATED, 0) | one["expected"]
        found = classes_of(usage_from_response(one["body"], shape=one["shape"]))
        stated = {name: n for name, n in expected.items() if name in CLASSES}
        assert {name: found[name] for name in stated} == stated, one
        assert expected.keys() - CLASSES.keys() <= _NOT_APART


def test_text_and_video_are_what_is_not_cached_of_them() -> None:
    """Cached text and video stand in the general cache bucket, others in their own."""
    for one in real_bodies():
        expected, body = one["expected"], one["body"]
        usage = usage_from_response(body, shape=one["shape"])
        if "input_video_tokens" in expected:
            cached = expected.get("cache_video_read_tokens", 0)
            assert usage.video_input_tokens == expected["input_video_tokens"] - cached
        if "input_text_tokens" in expected:
            cached = expected.get("cache_text_read_tokens", 0)
            # What no list itemises is text as well.
            assert usage.text_input_tokens >= expected["input_text_tokens"] - cached
        if "output_text_tokens" in expected:
            assert usage.text_output_tokens == expected["output_text_tokens"]


def test_every_body_is_recognised_and_reads_the_same() -> None:
    """Without a shape each of them is plain, as text as well as parsed."""
    for one in real_bodies():
        usage = usage_from_response(one["body"], shape=one["shape"])
        text = json.dumps(one["body"])
        assert reading_from_response(text).usage == usage
        assert reading_from_response(text.encode(), one["shape"]).usage == usage


def test_what_gateways_say_of_the_cost_is_kept() -> None:
    """OpenRouter's cost is read; with a key of one's own, both parts of it."""
    stated = {
        reading_from_response(one["body"], one["shape"]).provider_cost_usd
        for one in real_bodies()
        if "cost" in one["body"].get("usage", {})
    }
    assert None not in stated
    own_key = next(
        one for one in real_bodies() if one["body"].get("usage", {}).get("is_byok")
    )
    reading = reading_from_response(own_key["body"], own_key["shape"])
    assert str(reading.provider_cost_usd) == "0.000325300000"
