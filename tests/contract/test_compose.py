"""`docker-compose.yml` is a Compose file and agrees with the rest of the project.

It is held against the Compose Specification's JSON schema, the topic registry and the
settings. No Docker engine is needed, and none is proven to run it.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from taximeter.cli import COMMANDS
from taximeter.settings import PARTS
from taximeter_schemas.topics import Topic, Topics

ROOT = Path(__file__).parents[2]
SPECIFICATION = Path(__file__).parent / "data" / "compose-spec.json"
OWN_PARTS = ("worker", "sink", "api", "notify")

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\})"
)


def _interpolated(text: str, environment: dict[str, str]) -> str:
    """Fill in `$$`, `${NAME}`, `${NAME:-word}` and `${NAME:?word}` as Compose does."""

    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        given = environment.get(found["name"])
        if given is None and found["kind"] != "-":
            raise KeyError(found["name"])
        return given or found["word"]

    return _VARIABLE.sub(value, text)


def _resolved(node: Any, environment: dict[str, str]) -> Any:  # noqa: ANN401
    match node:
        case str():
            return _interpolated(node, environment)
        case list():
            return [_resolved(item, environment) for item in node]
        case dict():
            return {key: _resolved(node[key], environment) for key in node}
        case _:
            return node


def _compose(**environment: str) -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    environment = {"TAXIMETER_QUACK_TOKEN": "a-long-secret"} | environment
    resolved: dict[str, Any] = _resolved(yaml.safe_load(text), environment)
    return resolved


def _services(**environment: str) -> dict[str, Any]:
    services: dict[str, Any] = _compose(**environment)["services"]
    return services


def _created(folder: Path, **environment: str) -> list[Topic]:
    """Run the topics service's own script with a stand-in that notes its arguments."""
    calls = folder / "calls"
    tool = folder / "kafka-topics.sh"
    tool.write_text(f'#!/bin/bash\nprintf "%s\\n" "$*" >> {calls}\n')
    tool.chmod(0o755)
    service = _services(**environment)["topics"]
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    command = [*service["entrypoint"], *service["command"]]
    subprocess.run(command, env=service["environment"] | path, check=True, timeout=30)
    return [_topic(call.split()) for call in calls.read_text().splitlines()]


def _topic(arguments: list[str]) -> Topic:
    after = {
        option: arguments[place + 1]
        for place, option in enumerate(arguments[:-1])
        if option in ("--topic", "--partitions")
    }
    given = [
        arguments[place + 1]
        for place, option in enumerate(arguments)
        if option == "--config"
    ]
    config = dict(setting.split("=", 1) for setting in given)
    return Topic(after["--topic"], int(after["--partitions"]), config)


def test_file_obeys_the_compose_specification() -> None:
    """The Compose Specification's JSON schema accepts the file."""
    specification = json.loads(SPECIFICATION.read_text("utf-8"))

    Draft7Validator(specification).validate(_compose())


def test_topics_are_those_of_the_registry(tmp_path: Path) -> None:
    """The file creates every topic with the registry's partitions and settings."""
    assert _created(tmp_path) == list(Topics().all)


def test_partitions_are_set_in_one_place(tmp_path: Path) -> None:
    """One variable sets the partitions of the topics and of the parts that use them."""
    created = _created(tmp_path, TAXIMETER_PARTITIONS="12")
    services = _services(TAXIMETER_PARTITIONS="12")

    assert created == list(Topics(partitions=12).all)
    for part in OWN_PARTS:
        assert services[part]["environment"]["TAXIMETER_PARTITIONS"] == "12"


def test_failing_topic_creation_fails_the_service(tmp_path: Path) -> None:
    """When a topic cannot be created, the parts that need it are not started."""
    tool = tmp_path / "kafka-topics.sh"
    tool.write_text("#!/bin/bash\nexit 3\n")
    tool.chmod(0o755)
    services = _services()
    command = [*services["topics"]["entrypoint"], *services["topics"]["command"]]

    ended = subprocess.run(
        command,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "BOOTSTRAP": "b", "PARTITIONS": "1"},
        check=False,
        timeout=30,
    )

    assert ended.returncode == 3
    for part in OWN_PARTS:
        waits_for = services[part]["depends_on"]["topics"]["condition"]
        assert waits_for == "service_completed_successfully"


@pytest.mark.parametrize("part", OWN_PARTS)
def test_every_setting_exists(part: str) -> None:
    """A part is given no setting that Taximeter does not know."""
    known = {
        f"TAXIMETER_{name}".upper() for each in PARTS for name in each.model_fields
    }

    assert _services()[part]["environment"].keys() - known == set()


@pytest.mark.parametrize("part", OWN_PARTS)
def test_every_part_runs_a_command_of_ours(part: str) -> None:
    """Each part is the one image of the project, with a command that exists."""
    service = _services()[part]
    words = " ".join(service["command"]).removeprefix("exec taximeter ").split()

    assert words[0] == part
    assert words[0] in COMMANDS
    assert (service["build"], service["image"]) == (".", "taximeter")


def test_workers_can_be_many() -> None:
    """Workers have neither a fixed name nor a fixed port, and a name each."""
    worker = _services(TAXIMETER_WORKERS="3")["worker"]

    assert worker["deploy"]["replicas"] == "3"
    assert worker.keys().isdisjoint({"container_name", "ports"})
    assert "$(hostname)" in worker["command"][0]


def test_parts_find_the_broker_where_it_listens() -> None:
    """Inside, Kafka is told to advertise the address that the parts are given."""
    services = _services()
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]

    for part in OWN_PARTS:
        bootstrap = services[part]["environment"]["TAXIMETER_BOOTSTRAP"]
        assert f"INSIDE://{bootstrap}" in advertised
    assert services["topics"]["environment"]["BOOTSTRAP"] in advertised


def test_api_asks_the_sink_with_its_own_token() -> None:
    """The API reads the ledger where the sink serves it, and shows the same token."""
    sink, api = (_services()[part]["environment"] for part in ("sink", "api"))

    assert api["TAXIMETER_QUACK_HOST"] == "sink"
    for name in ("TAXIMETER_QUACK_PORT", "TAXIMETER_QUACK_TOKEN"):
        assert api[name] == sink[name]


def test_notify_is_asked_for_and_finds_its_file() -> None:
    """It runs by its profile alone, with the file, the sink's ledger and one of it."""
    compose = _compose()
    notify, sink = (compose["services"][name] for name in ("notify", "sink"))
    (mounted,) = notify["configs"]
    environment = notify["environment"]

    assert notify["profiles"] == ["notify"]
    assert compose["configs"][mounted["source"]] == {"file": "./notify.yaml"}
    assert environment["TAXIMETER_NOTIFY_CONFIG"] == mounted["target"]
    assert environment["TAXIMETER_QUACK_HOST"] == "sink"
    for name in ("TAXIMETER_QUACK_PORT", "TAXIMETER_QUACK_TOKEN"):
        assert environment[name] == sink["environment"][name]
    assert "deploy" not in notify


def test_nothing_is_served_to_the_world() -> None:
    """What is published is published to this machine alone."""
    published = [
        port for service in _services().values() for port in service.get("ports", [])
    ]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_token_has_no_default() -> None:
    """Compose refuses to start with a secret that everybody knows."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")

    with pytest.raises(KeyError, match="TAXIMETER_QUACK_TOKEN"):
        _resolved(yaml.safe_load(text), {})


def test_data_outlives_its_containers() -> None:
    """Kafka's log, the ledger, and what the API keeps lie in named volumes."""
    compose = _compose()
    mounted = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }

    assert mounted == compose["volumes"].keys() == {"kafka", "ledger", "api"}


def test_image_copies_what_the_distribution_is_made_of() -> None:
    """The Dockerfile copies every package, past what `.dockerignore` leaves out."""
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    admitted = (ROOT / ".dockerignore").read_text("utf-8").splitlines()

    for package in ("schemas", "producers", "processors", "sinks", "app"):
        assert f"COPY {package} {package}\n" in dockerfile
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.MULTILINE)
    for name in " ".join(copied).split():
        assert f"!{name}" in admitted
        assert (ROOT / name).exists()


def test_image_does_not_run_as_root() -> None:
    """The image's last word on who runs it is not root."""
    users = re.findall(r"^USER (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert users == ["taximeter"]
