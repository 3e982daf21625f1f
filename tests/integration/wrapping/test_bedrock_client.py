"""boto3's own client for Bedrock, wrapped or instrumented: each call is one event."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest
from anthropic.lib.bedrock import AnthropicBedrock
from botocore.config import Config

import taximeter
from taximeter_schemas.usage import Usage
from tests import aws_answers as aws
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import Events
from tests.integration.wrapping.test_openai_client import agrees
from tests.proving import proves
from tests.replaying import Replay, Reply

CONVERSE = answers.kinds("bedrock.converse")
MESSAGE = answers.real("anthropic.messages")[0]
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
ASK: Any = {
    "modelId": "amazon.nova-pro-v1:0",
    "messages": [{"role": "user", "content": [{"text": "Capital of France?"}]}],
}

# botocore leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def made(provider: Replay, service: str = "bedrock-runtime", attempts: int = 1) -> Any:
    """Return a client of boto3 that speaks to the server of the test."""
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=provider.url,
        aws_access_key_id="planted",
        aws_secret_access_key="planted",
        config=Config(
            retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=2
        ),
    )


@pytest.fixture(params=["wrap", "instrument"])
def bedrock(
    request: pytest.FixtureRequest, provider: Replay, events: Events
) -> Iterator[Any]:
    """Give a metered client."""
    client = made(provider)
    if request.param == "wrap":
        assert taximeter.wrap(client) is client
    else:
        assert "botocore" in taximeter.instrument()
    yield client
    client.close()


@proves("bedrock", "tokens")
def test_every_kind_of_converse(bedrock: Any, provider: Replay, events: Events) -> None:
    """Each kind of answer, whole and as a stream, is one event with its usage."""
    for one in CONVERSE:
        provider.answers(aws.converse(one["body"]))
        said = bedrock.converse(**ASK)
        assert said["output"]["message"]["content"][0]["text"] == "".join(
            answers.ANSWER
        )
        event = events.only()
        assert agrees(event, one), one
        assert (event.provider, event.model) == ("bedrock", ASK["modelId"])

        provider.answers(aws.converse_stream(one["body"]))
        streamed = list(bedrock.converse_stream(**ASK)["stream"])
        assert list(streamed[0]) == ["messageStart"]
        event = events.only()
        assert agrees(event, one), one
        assert event.usage_source == "reported"


def test_a_model_by_its_own_api(bedrock: Any, provider: Replay, events: Events) -> None:
    """InvokeModel passes on what a model says, or counts beside it."""
    whole = answers.message(MESSAGE["body"])
    provider.answers(aws.invoked(whole))
    said = bedrock.invoke_model(modelId=CLAUDE, body=json.dumps({"messages": []}))
    assert json.loads(said["body"].read())["id"] == whole["id"]
    event = events.only()
    assert agrees(event, MESSAGE)
    assert (event.model, event.response_id) == (CLAUDE, whole["id"])

    provider.answers(aws.invoked({"inputTextTokenCount": 4, "embedding": [0.5]}))
    said = bedrock.invoke_model(modelId="amazon.titan-embed-text-v2:0", body="{}")
    assert b"".join(said["body"].iter_chunks(8))
    event = events.only()
    assert (event.operation, event.usage.text_input_tokens) == ("embedding", 4)

    counted = {"x_amzn_bedrock_input_token_count": "5"}
    provider.answers(aws.invoked({"embeddings": [[0.5]]}, **counted))
    bedrock.invoke_model(modelId="cohere.embed-v4:0", body="{}")["body"].read()
    assert events.only().usage == Usage(text_input_tokens=5)


def test_a_model_that_streams_by_its_own_api(
    bedrock: Any, provider: Replay, events: Events
) -> None:
    """What it streams comes in frames, with a model's own events or with metrics."""
    told = answers.message_stream(MESSAGE["body"]).parts
    listed = [json.loads(part.partition(b"data: ")[2]) for part in told]
    provider.answers(aws.invoked_stream(listed))
    said = bedrock.invoke_model_with_response_stream(modelId=CLAUDE, body="{}")
    assert len(list(said["body"])) == len(listed)
    assert agrees(events.only(), MESSAGE)

    metrics = {"inputTokenCount": 3, "outputTokenCount": 2}
    made = [{"outputText": "hi"}, {"amazon-bedrock-invocationMetrics": metrics}]
    provider.answers(aws.invoked_stream(made))
    model = "amazon.titan-text-express-v1"
    said = bedrock.invoke_model_with_response_stream(modelId=model, body="{}")
    assert len(list(said["body"])) == 2
    assert events.only().usage == Usage(text_input_tokens=3, text_output_tokens=2)


def test_failed_calls(provider: Replay, events: Events) -> None:
    """Each attempt is an event with AWS's own name of the error."""
    client = taximeter.wrap(made(provider, attempts=2))
    refusal = aws.refused(429, "ThrottlingException")
    provider.answers(refusal, aws.converse(CONVERSE[0]["body"]))
    client.converse(**ASK)
    first, last = events.all()
    assert (first.error_type, first.usage) == ("ThrottlingException", Usage())
    assert first.duration_ms is not None
    assert agrees(last, CONVERSE[0])
    assert first.event_id != last.event_id
    events.emitter.sent.clear()

    provider.answers(refusal)
    plain = taximeter.wrap(made(provider))
    with pytest.raises(plain.exceptions.ThrottlingException):
        plain.converse_stream(**ASK)
    assert events.only().error_type == "ThrottlingException"


def test_nobody_answers(events: Events) -> None:
    """What cannot be reached is an error by botocore's name of it."""
    nowhere = Replay()
    nowhere.url = "http://127.0.0.1:1"
    client = taximeter.wrap(made(nowhere))
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        client.converse(**ASK)
    assert events.only().error_type == "EndpointConnectionError"


def test_a_stream_that_breaks(provider: Replay, events: Events) -> None:
    """An exception in the stream, and a connection that is lost, are errors."""
    client = taximeter.wrap(made(provider))
    whole = aws.converse_stream(CONVERSE[0]["body"])
    bad = [*whole.parts[:2], aws.thrown("modelStreamErrorException")]
    provider.answers(Reply(bad, headers=whole.headers))
    with pytest.raises(botocore.exceptions.EventStreamError):
        list(client.converse_stream(**ASK)["stream"])
    event = events.only()
    assert (event.status, event.error_type) == ("error", "modelStreamErrorException")
    assert event.usage_source == "estimated"

    provider.answers(Reply(whole.parts[:3], headers=whole.headers, cut=True))
    with pytest.raises(Exception, match="ended prematurely"):
        list(client.converse_stream(**ASK)["stream"])
    event = events.only()
    assert (event.status, event.usage_source) == ("error", "estimated")


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_reader_that_stops_early(how: str, provider: Replay, events: Events) -> None:
    """What was read until then is estimated: one event, however it ends."""
    client = taximeter.wrap(made(provider))
    whole = aws.converse_stream(CONVERSE[0]["body"])
    held = Reply(whole.parts, headers=whole.headers, hold=threading.Event())
    provider.answers(held)
    stream = client.converse_stream(**ASK)["stream"]
    next(iter(stream))
    assert events.all() == []
    if how == "closed":
        stream.close()
        stream.close()
    del stream
    gc.collect()
    event = events.only()
    assert (event.usage_source, event.status) == ("estimated", "ok")
    assert held.hold is not None
    held.hold.set()


def test_only_bedrock_is_metered(provider: Replay, events: Events) -> None:
    """Other services of AWS are left alone, wrapped or instrumented."""
    storage = made(provider, "s3")
    with pytest.raises(TypeError, match="cannot wrap S3"):
        taximeter.wrap(storage)
    taximeter.instrument()
    provider.answers(Reply([b""]))
    storage.list_buckets()
    assert "send" not in vars(storage._endpoint.http_session)
    assert events.all() == []


def test_anthropics_own_client_for_bedrock(provider: Replay, events: Events) -> None:
    """Its streams come in the same frames, and are counted as whole answers are."""
    made: Any = AnthropicBedrock(
        base_url=provider.url,
        aws_region="eu-west-1",
        aws_access_key="planted",
        aws_secret_key="planted",
        max_retries=0,
    )
    ask: Any = {"model": CLAUDE, "max_tokens": 9, "messages": []}
    with taximeter.wrap(made) as client:
        provider.answers(aws.invoked(answers.message(MESSAGE["body"])))
        client.messages.create(**ask)
        event = events.only()
        assert agrees(event, MESSAGE)
        told = answers.message_stream(MESSAGE["body"]).parts
        listed = [json.loads(part.partition(b"data: ")[2]) for part in told]
        provider.answers(aws.invoked_stream(listed))
        for _ in client.messages.create(**ask, stream=True):
            pass
    streamed = events.only()
    assert agrees(streamed, MESSAGE)
    assert streamed.model == event.model == CLAUDE
