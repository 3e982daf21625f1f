"""Tokens at rest: shown once, known again, worthless once revoked."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from taximeter.api.known_tokens import KnownTokens
from taximeter.api_tokens import TokenFile
from taximeter.cli import main
from taximeter_schemas.errors import ConfigurationError
from tests.builders import NOON


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    """Give a file that is not there yet."""
    return TokenFile(tmp_path / "data" / "api-tokens.json")


def test_a_token_is_known_again_and_not_kept(file: TokenFile) -> None:
    """The file, for its owner alone, has neither the token nor a part of its secret."""
    made = file.create("ci", NOON, ("write", "read", "write"), ("checkout",))
    known = KnownTokens(file).named_by(made.text)
    assert known is not None
    assert known == made.token
    assert known.may == ("write", "read")
    kept = file.path.read_text()
    assert made.text.removeprefix(f"taximeter_{known.id}_") not in kept
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "bent",
    [
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.swapcase(),
        lambda text: text.rpartition("_")[0] + "_",
        lambda text: "",
        lambda text: "taximeter_",
        lambda text: "taximeter__",
        lambda text: "ü" + text,
    ],
)
def test_a_token_that_is_not_quite_one(
    file: TokenFile, bent: Callable[[str], str]
) -> None:
    """Whatever differs from the token in anything is nobody's."""
    made = file.create("ci", NOON)
    assert KnownTokens(file).named_by(bent(made.text)) is None


def test_changes_hold_at_once_for_every_reader(file: TokenFile) -> None:
    """An API that was there before a token knows it, and that it is revoked."""
    known = KnownTokens(file)
    assert not known.any()
    made = file.create("ci", NOON)
    assert known.any()
    assert known.named_by(made.text) is not None
    file.revoke(made.token.id, NOON)
    assert known.named_by(made.text) is None
    assert known.any()  # and so nobody gets in without


def test_a_damaged_file_lets_nobody_in(file: TokenFile) -> None:
    """What cannot be read is not taken for no tokens."""
    file.create("ci", NOON)
    file.path.write_text("[{")
    with pytest.raises(ConfigurationError, match="it is damaged"):
        KnownTokens(file).any()


def test_tokens_that_are_made_at_once_are_all_kept(file: TokenFile) -> None:
    """Two commands at the same moment lose nothing of each other's."""
    threads = [Thread(target=file.create, args=(f"n{n}", NOON)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.name for token in file.read()} == {f"n{n}" for n in range(8)}


def test_the_command_makes_lists_and_revokes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The token alone stands on stdout; the list has no secret; wrong use is told."""

    def tokens(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main(["tokens", *arguments, "--data", str(tmp_path)])
        return capsys.readouterr().out

    text = tokens("create", "ci", "--source", "checkout").strip()
    (listed,) = json.loads(tokens("list", "--format", "json"))
    assert (listed["name"], listed["may"]) == ("ci", ["write"])
    assert listed["sources"] == ["checkout"]
    assert text.split("_")[1] == listed["id"]
    assert "sha256" not in listed
    tokens("revoke", listed["id"])
    (listed,) = json.loads(tokens("list", "--format", "json"))
    assert listed["revoked_at"]
    other = json.loads(tokens("create", "b", "--may", "read", "--format", "json"))
    assert other["token"].startswith(f"taximeter_{other['id']}_")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", ""), "name: "),
        (("create", "a", "--rate", "5"), "rate '5' is not like 600/minute"),
        (("create", "a", "--rate", "0/minute"), "is not like 600/minute"),
        (("revoke", "nobody"), "'taximeter tokens list' has the ids"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    """A wrong name, rate or id is told in words, and makes no token."""
    with pytest.raises(SystemExit) as ended:
        main(["tokens", *arguments, "--data", str(tmp_path)])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
