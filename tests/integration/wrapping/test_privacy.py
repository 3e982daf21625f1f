"""Nothing of what was asked, answered or secret is in anything that is sent."""

from __future__ import annotations

import gc
from typing import Any

import anthropic
import openai
import pytest

import taximeter
from taximeter_schemas.records import encode_event
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_openai_client import CHAT, RESPONSES
from tests.replaying import Replay, Reply

PROMPT = "planted-prompt-7f3a"
SYSTEM = "planted-system-91cc"
FILE = b"planted-file-0d4e"
SECRETS = [PROMPT, SYSTEM, FILE.decode(), KEY, "planted", *answers.ANSWER]

ASKED: Any = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]
pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")


def sent(events: Events) -> str:
    """Return every byte that the meter was given to send."""
    assert events.meter.flush(240)
    return b"\n".join(map(encode_event, events.emitter.sent)).decode()


def test_no_secret_is_sent(
    client: openai.OpenAI,
    claude: anthropic.Anthropic,
    provider: Replay,
    events: Events,
) -> None:
    """Whole, streamed, cut short, failed, not understood: counts and names only."""
    chat = {"model": "gpt-4o", "messages": ASKED}
    create: Any = client.chat.completions.create
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    create(**chat)
    provider.answers(answers.chat_stream(CHAT[0]["body"], include_usage=False))
    list(create(**chat, stream=True))
    next(iter(create(**chat, stream=True)))
    gc.collect()
    odd = {"prompt_tokens": -1, "note": PROMPT * 10, "completion_tokens": 1}
    provider.answers(answers.json_reply(answers.chat({"usage": odd})))
    create(**chat)
    provider.answers(answers.json_reply({"error": {"message": PROMPT}}, 400))
    with pytest.raises(openai.BadRequestError):
        create(**chat)
    provider.answers(answers.response_stream(RESPONSES[0]["body"]))
    list(client.responses.create(model="gpt-5", input=PROMPT, stream=True))
    usage = {"type": "duration", "seconds": 9}
    provider.answers(answers.json_reply({"text": PROMPT, "usage": usage}))
    client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", FILE), prompt=PROMPT
    )
    provider.answers(Reply([FILE], headers={"content-type": "audio/mpeg"}))
    client.audio.speech.create(model="tts-1", voice="alloy", input=PROMPT).read()
    message = answers.real("anthropic.messages")[0]["body"]
    provider.answers(answers.message_stream(message))
    with claude.messages.stream(
        model="claude-opus-4-6", max_tokens=5, system=SYSTEM, messages=ASKED[1:]
    ) as stream:
        next(iter(stream.text_stream))
    all_of_it = sent(events)
    assert len(events.emitter.sent) == 9
    assert any(PROMPT.encode() in one.body for one in provider.asked)
    assert [secret for secret in SECRETS if secret in all_of_it] == []


def test_redact_has_the_last_word(
    plain: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """What a hook takes out of an event is not sent, a user's name for one."""
    memory = taximeter.MemoryEmitter()
    meter = taximeter.Meter(
        memory, redact=lambda event: event.model_copy(update={"user_id": "someone"})
    )
    provider.answers(answers.json_reply(answers.chat(CHAT[0]["body"])))
    with taximeter.attribute(user="ada@example.org"):
        taximeter.wrap(plain, meter=meter).chat.completions.create(
            model="gpt-4o", messages=ASKED, user="ada@example.org"
        )
    assert [event.user_id for event in memory.sent] == ["someone"]
    assert b"ada" not in encode_event(memory.sent[0])
