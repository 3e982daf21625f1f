"""Examples in the OpenAPI document: every path has one, and it is what could come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from taximeter.api.app import create_app
from taximeter.api.openapi_answers import EXAMPLES
from taximeter.state import DataDir
from taximeter_schemas.topics import Topics

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    """Describe an API that has neither Kafka nor a ledger."""
    data = DataDir(tmp_path_factory.mktemp("data"))
    app = create_app(bootstrap="127.0.0.1:1", topics=Topics(), data=data)
    return app.openapi()


def contents(document: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield what bodies and good answers are of JSON, with a name for each."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            told = {"body": operation.get("requestBody", {})}
            told |= {s: a for s, a in operation["responses"].items() if s[0] == "2"}
            for part, described in told.items():
                for kind, content in described.get("content", {}).items():
                    if kind.endswith("json"):
                        yield f"{method} {path} {part} {kind}", content


def referred(document: Schema, schema: Schema) -> Schema:
    """Return a schema itself, where it is only named."""
    name = schema.get("$ref", "").rpartition("/")[2]
    named: Schema = document["components"]["schemas"].get(name, schema)
    return named


def examples(document: Schema, content: Schema) -> list[object]:
    """Return the examples of a content, or of the schema it names."""
    own = [one["value"] for one in content.get("examples", {}).values()]
    return own or referred(document, content["schema"]).get("examples", [])


def test_every_body_and_answer_has_an_example(document: Schema) -> None:
    """Whoever reads the document sees what to send, and what comes."""
    without = [
        name for name, content in contents(document) if not examples(document, content)
    ]
    assert without == []


def test_every_example_is_what_its_schema_allows(document: Schema) -> None:
    """Of bodies and answers as a whole, and of whatever they are made of."""
    components = {"components": document["components"]}
    shown = [
        (c["schema"], e) for _, c in contents(document) for e in examples(document, c)
    ]
    shown += [
        (schema, example)
        for schema in document["components"]["schemas"].values()
        for example in schema.get("examples", [])
    ]
    assert len(shown) > 20
    for schema, example in shown:
        Draft202012Validator(schema | components).validate(example)


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.__name__)
def test_an_example_is_what_the_api_would_write(
    model: type[BaseModel],
) -> None:
    """Every field, nulls too, in the forms in which amounts and moments are written."""
    example = EXAMPLES[model]
    assert model.model_validate(example).model_dump(mode="json") == example
