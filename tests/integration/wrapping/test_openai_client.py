"""OpenAI's own client, wrapped: each kind of call is an event that is right."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

import taximeter
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import Events
from tests.provider_bodies import CLASSES, classes_of
from tests.proving import proves
from tests.replaying import Replay, Reply

ASK: Any = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
PROMPT: Any = {"model": "gpt-5", "input": "What is the capital of France?"}
CHAT = answers.kinds("openai.chat_completions")
RESPONSES = answers.kinds("openai.responses")


def agrees(event: taximeter.UsageRecorded, one: dict[str, Any]) -> bool:
    """Tell whether an event says what a real answer means."""
    found = classes_of(event.usage)
    return {n: found[n] for n in one["expected"] if n in CLASSES} == {
        n: count for n, count in one["expected"].items() if n in CLASSES
    }


@proves("openai", "tokens")
def test_every_kind_of_chat_completion(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """Each kind of answer, whole and as a stream, is one event with its usage."""
    for one in CHAT:
        provider.answers(answers.json_reply(answers.chat(one["body"])))
        whole = client.chat.completions.create(**ASK)
        event = events.only()
        assert agrees(event, one), one
        assert (event.response_id, event.model) == (whole.id, "gpt-4o")

        provider.answers(answers.chat_stream(one["body"]))
        for _ in client.chat.completions.create(**ASK, stream=True):
            pass
        event = events.only()
        assert agrees(event, one), one
        assert event.usage_source == "reported"


def test_every_kind_of_response(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """Each kind of answer of the Responses API, whole and streamed, is one event."""
    for one in RESPONSES:
        provider.answers(answers.json_reply(answers.response(one["body"])))
        client.responses.create(**PROMPT)
        event = events.only()
        assert agrees(event, one), one
        assert event.operation == "responses"

        provider.answers(answers.response_stream(one["body"]))
        for _ in client.responses.create(**PROMPT, stream=True):
            pass
        assert agrees(events.only(), one), one


def test_what_a_call_returns_is_the_librarys_own(
    plain: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """Arguments, types, values and bytes are those of an unwrapped client."""
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    before = plain.chat.completions.create(**ASK)
    raw_before = plain.chat.completions.with_raw_response.create(**ASK)
    asked = provider.asked[-2:]
    assert taximeter.wrap(plain) is plain
    after = plain.chat.completions.create(**ASK)
    raw_after = plain.chat.completions.with_raw_response.create(**ASK)
    assert type(after) is type(before) is ChatCompletion
    assert after == before
    assert type(raw_after) is type(raw_before)
    assert raw_after.content == raw_before.content
    assert raw_after.parse() == before
    assert [one.body for one in provider.asked[-2:]] == [one.body for one in asked]
    assert [sorted(one.headers) for one in provider.asked[-2:]] == [
        sorted(one.headers) for one in asked
    ]
    assert len(events.all()) == 2

    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    with client_stream(plain) as stream:
        assert type(stream) is openai.Stream
        assert [c.choices[0].delta.content for c in stream if c.choices][1:4] == (
            answers.ANSWER
        )


def client_stream(client: openai.OpenAI) -> openai.Stream[Any]:
    """Return the stream of a call."""
    stream: openai.Stream[Any] = client.chat.completions.create(**ASK, stream=True)
    return stream


def test_a_compressed_answer(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """Providers compress what they send, whole and streamed; it is read alike."""
    for reply in (
        answers.json_reply(answers.chat(CHAT[0]["body"])),
        answers.chat_stream(CHAT[0]["body"]),
    ):
        provider.answers(reply.compressed())
        stream = "event-stream" in reply.headers["content-type"]
        called = client.chat.completions.create(**ASK, stream=stream)
        for _ in called:
            pass
        assert agrees(events.only(), CHAT[0])


def test_a_response_that_is_streamed_raw(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """`with_streaming_response` is read by its caller, and counted when it is."""
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    with client.chat.completions.with_streaming_response.create(**ASK) as response:
        assert events.all() == []
        assert response.parse().choices
    assert agrees(events.only(), CHAT[0])


@proves("openai", "async")
async def test_the_asynchronous_client(
    aclient: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """It is metered as the other one is: whole, streamed, raw."""
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    await aclient.chat.completions.create(**ASK)
    assert agrees(events.only(), CHAT[0])
    await aclient.chat.completions.with_raw_response.create(**ASK)
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.chat_stream(CHAT[0]["body"]))
    stream = await aclient.chat.completions.create(**ASK, stream=True)
    assert type(stream) is openai.AsyncStream
    async for _ in stream:
        pass
    assert agrees(events.only(), CHAT[0])
    provider.answers(answers.response_stream(RESPONSES[0]["body"]))
    async with aclient.responses.stream(**PROMPT) as streamed:
        await streamed.until_done()
    assert agrees(events.only(), RESPONSES[0])


def test_embeddings(client: openai.OpenAI, provider: Replay, events: Events) -> None:
    """What embeddings use is input, under the id of the request."""
    for one in answers.real("openai.embeddings"):
        vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
        body = {"object": "list", "data": [vector], **one["body"]}
        provider.answers(answers.json_reply(body))
        client.embeddings.create(model="text-embedding-3-small", input="hello")
        event = events.only()
        assert agrees(event, one)
        assert event.operation == "embedding"


@proves("openai", "media")
def test_images(client: openai.OpenAI, provider: Replay, events: Events) -> None:
    """Images are counted, with their tokens, and say how they were asked for."""
    details = {"text_tokens": 12, "image_tokens": 0}
    usage = {"input_tokens": 12, "output_tokens": 272, "total_tokens": 284}
    body = {
        "created": 1_790_000_000,
        "data": [{"b64_json": "aGk="}],
        "size": "1024x1024",
        "quality": "low",
        "usage": usage | {"input_tokens_details": details},
    }
    provider.answers(answers.json_reply(body))
    client.images.generate(model="gpt-image-1", prompt="a taxi")
    event = events.only()
    assert (event.operation, event.usage.image_output_tokens) == (
        "image_generation",
        272,
    )
    assert (event.image_size, event.image_quality) == ("1024x1024", "low")

    provider.answers(answers.json_reply({"created": 1, "data": [{"url": "x"}] * 2}))
    client.images.edit(
        model="dall-e-2", prompt="a cab", image=b"png", n=2, size="512x512"
    )
    event = events.only()
    assert (event.operation, event.model) == ("image_edit", "dall-e-2")
    assert (event.usage.image_count, event.image_size) == (2, "512x512")


def test_audio(client: openai.OpenAI, provider: Replay, events: Events) -> None:
    """What was heard is counted by the answer, what was said by the request."""
    usage = {"type": "duration", "seconds": 9}
    provider.answers(answers.json_reply({"text": "hi", "usage": usage}))
    client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))
    event = events.only()
    assert (event.model, event.operation) == ("whisper-1", "transcription")
    assert event.usage.audio_seconds == Decimal(9)

    sound = Reply([b"ID3", b"sound"], headers={"content-type": "audio/mpeg"})
    provider.answers(sound)
    speech = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello!")
    assert speech.read() == b"ID3sound"
    event = events.only()
    assert (event.operation, event.usage.characters) == ("speech", 6)


def test_a_response_in_the_background(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """It is one event, made when its usage is there, however often it is asked for."""
    whole = answers.response(RESPONSES[0]["body"], background=True)
    queued = whole | {"status": "queued", "usage": None, "output": []}
    provider.answers(answers.json_reply(queued))
    begun = client.responses.create(**PROMPT, background=True)
    client.responses.retrieve(begun.id)
    assert events.all() == []
    provider.answers(answers.json_reply(whole))
    client.responses.retrieve(begun.id)
    client.responses.retrieve(begun.id)
    assert len({event.event_id for event in events.all()}) == 1
    assert agrees(events.all()[0], RESPONSES[0])


def test_what_is_read_back_bills_nothing(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """A stored answer and a list of models are no calls."""
    provider.answers(
        answers.json_reply(answers.response(RESPONSES[0]["body"])),
        answers.json_reply({"object": "list", "data": []}),
    )
    client.responses.retrieve("resp_1")
    client.models.list()
    assert events.all() == []


def test_whom_a_call_is_for(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """The block around the call says it, and what it leaves open the request."""
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    with taximeter.attribute(project="search", tags={"team": "a"}):
        client.chat.completions.create(**ASK, user="ada")
    event = events.only()
    assert (event.user_id, event.project_id) == ("ada", "search")
    assert (event.tags, event.source) == ({"team": "a"}, "tests")
    with taximeter.attribute(user="bob"):
        client.chat.completions.create(**ASK, user="ada")
    assert events.only().user_id == "bob"


@pytest.mark.parametrize(
    ("host", "provider_name"),
    [("api.groq.com", "groq"), ("api.openai.com", "openai"), ("gw.local", "openai")],
)
def test_a_provider_is_known_by_its_host(host: str, provider_name: str) -> None:
    """OpenAI's client speaks to many; a host of nobody's counts as OpenAI's."""
    from taximeter_producers.wrapping.routes import provider_at

    assert (provider_at(host) or "openai") == provider_name


def test_a_provider_can_be_named(
    plain: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """A gateway of one's own says whose it is; the last word holds."""
    taximeter.wrap(plain)
    taximeter.wrap(plain, provider="deepseek")
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    plain.with_options(timeout=5).chat.completions.create(**ASK)
    assert events.only().provider == "deepseek"


def test_what_is_no_client_is_refused() -> None:
    """Wrapping something else is a mistake that is told at once."""
    with pytest.raises(TypeError, match=r"openai, anthropic"):
        taximeter.wrap(object())
