"""`notify.yaml`: every fault at once, secrets from elsewhere and in nobody's words."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from taximeter.cli import cli
from taximeter.notify.config import read_config
from taximeter.notify.hiding import hide_in_logs
from taximeter.notify.secret_values import Secrets
from taximeter.notify.targets import open_targets
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import ConfigurationError
from tests.alerting import a_config

PLANTED = "pl4nted-s3cret/with+odd=chars"

FULL = """
routes:
  - name: ops
    to: ${SLACK_URL}
    match: {severity: warning, subject: {user: "a*"}, tags: {team: growth}}
    quiet: {from: "22:00", until: "07:00", zone: Europe/Berlin, days: [mon, tue]}
    group: {seconds: 30, at_most: 10}
    retries: {attempts: 3, first_seconds: 1, most_seconds: 60}
    texts: {title: "{count}", line: "{words}"}
  - name: hook
    webhook: {url: "https://example.org/${TOKEN}", sign_with: !file key.txt}
  - name: mail
    email:
      server: smtps://me:${TOKEN}@mail.example.org
      from: taximeter@example.org
      to: [ops@example.org]
  - name: screen
    terminal: true
"""


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    """`${NAME}` is filled in anywhere in a target, `!file` is read beside the file."""
    (tmp_path / "key.txt").write_text("from-a-file\n")

    config = a_config(tmp_path, FULL, SLACK_URL="json://localhost/x", TOKEN="tok")

    ops, hook, mail, screen = config.routes
    assert ops.to is not None
    assert ops.to.get_secret_value() == "json://localhost/x"
    assert hook.webhook is not None
    assert hook.webhook.url.get_secret_value() == "https://example.org/tok"
    assert hook.webhook.sign_with.get_secret_value() == "from-a-file"
    assert mail.email is not None
    assert [route.target for route in config.routes] == [
        *("to", "webhook", "email", "terminal")
    ]
    assert screen.match.severity is None
    assert set(open_targets(config, ManualClock())) == {"ops", "hook", "mail", "screen"}


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """One error names each route, each key, and what is wrong with it."""
    text = """
extra: 1
routes:
  - name: a
    terminal: true
    colour: red
  - name: b
    terminal: true
    quiet: {from: "22:00", until: "07:00", zone: Mars/Olympus}
  - name: c
  - name: d
    to: ${NOT_SET}
    terminal: true
  - name: e
    webhook: {url: "ftp://x", sign_with: !file nowhere}
  - name: f
    terminal: true
    texts: {line: "{secret}"}
  - name: g
    terminal: true
  - name: g
    terminal: true
  - just text
  - terminal: true
"""
    with pytest.raises(ConfigurationError) as told:
        a_config(tmp_path, text)

    words = str(told.value)
    for fault in (
        "extra: no such key",
        "a: colour: no such key",
        "b: quiet.zone: 'Mars/Olympus' is not an IANA time zone",
        "c: needs exactly one target of to, webhook, email, terminal; has none",
        "${NOT_SET} is not set",
        "d: needs exactly one target",
        "has to and terminal",
        "e: webhook: url: begins with https:// or http://",
        "nowhere: No such file or directory",
        "f: texts.line: {secret} is no field",
        "g: two routes have this name",
        "route 9: is a mapping with a name and a target",
        "route 10: name: Field required",
    ):
        assert fault in words
    assert str(tmp_path / "notify.yaml") in words


@pytest.mark.parametrize("text", ["", "routes: []", "routes: 7", "- a", "a: [", "\x00"])
def test_what_is_no_file_of_routes(text: str, tmp_path: Path) -> None:
    """An empty file, another form, no YAML at all: one line says so."""
    with pytest.raises(ConfigurationError, match=r"notify\.yaml: "):
        a_config(tmp_path, text)


@pytest.mark.parametrize(
    "route",
    [
        "{name: x, to: '${TOKEN}'}",
        "{name: x, to: 'slack://${TOKEN}'}",
        "{name: x, webhook: {url: '${TOKEN}', sign_with: a}}",
        "{name: x, webhook: {url: 'https://h/', sign_with: ['${TOKEN}']}}",
        "{name: x, email: {server: 'smtp://u:${TOKEN}@:x', from: a@b, to: [c@d]}}",
        "{name: x, email: {server: 'smtp://u:${TOKEN}@h:x', from: a@b, to: [c@d]}}",
        "{name: x, email: {server: 'smtp://h', from: '${TOKEN}', to: ['${TOKEN}']}}",
        "{name: x, terminal: '${TOKEN}'}",
    ],
)
def test_no_error_repeats_a_secret(
    route: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with a target, what was filled into it is not told."""
    monkeypatch.setenv("TOKEN", PLANTED)
    file = tmp_path / "notify.yaml"
    file.write_text(f"routes: [{route}]")

    outcome = CliRunner().invoke(cli, ["notify", "check", "--config", str(file)])

    assert outcome.exit_code != 0
    said = outcome.output + repr(outcome.exception)
    assert "x" in said
    assert not [part for part in ("pl4nted", "odd=chars") if part in said]


def test_help_and_check_show_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` names routes and kinds of targets; help knows no environment."""
    monkeypatch.setenv("TOKEN", PLANTED)
    file = tmp_path / "notify.yaml"
    file.write_text(
        "routes: [{name: x, webhook: {url: 'https://h/${TOKEN}', sign_with: a}}]"
    )
    monkeypatch.setenv("TAXIMETER_NOTIFY_CONFIG", str(file))

    run = CliRunner().invoke
    told = [run(cli, ["notify", *more]).output for more in (["check"], ["--help"])]
    told.append(run(cli, ["notify", "test", "--help"]).output)

    assert told[0] == "x: webhook\n"
    assert "pl4nted" not in "".join(told)
    assert "pl4nted" not in repr(read_config(file))


def test_logs_hide_secrets_in_any_spelling(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A secret is hidden as it is, quoted, in part, and within a traceback."""
    secrets = Secrets({"TOKEN": PLANTED})
    secrets.filled_in("https://host/${TOKEN}")
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [handler := logging.StreamHandler()]
    try:
        hide_in_logs(secrets)
        quoted = "pl4nted-s3cret%2Fwith%2Bodd%3Dchars"
        logging.getLogger("t").error("at %s and %s", PLANTED, quoted)
        try:
            raise ValueError(f"https://host/{PLANTED}")  # noqa: TRY301
        except ValueError:
            logging.getLogger("t").exception("it went wrong with pl4nted-s3cret")
    finally:
        root.handlers[:] = before
        handler.close()
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "pl4nted" not in said
