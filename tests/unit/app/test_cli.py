"""The frame of the command: help, errors, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from taximeter.cli import COMMANDS, main

PYTHON = (sys.executable, "-m", "taximeter.cli")


def _exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`taximeter --help` names all commands and ends well."""
    assert _exit_code("--help") == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    """Help is quick because it loads no broker, worker, price list or database."""
    heavy = "{'faust', 'litellm', 'duckdb', 'aiokafka', 'fastapi'}"
    script = (
        "import sys; from taximeter.cli import cli;"
        "cli.main(['--help'], standalone_mode=False);"
        f"loaded = {heavy} & set(sys.modules);"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["up", "--nonsense"], "No such option: --nonsense"),
        (["up", "--workers", "0"], "Invalid value for '--workers'"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in the command line is one line on stderr, and exit code 2."""
    assert _exit_code(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_a_failure_is_one_line(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operating system's error is one clear line that names the file."""
    assert _exit_code("up", "--data", "/dev/null/x") == 1
    assert capsys.readouterr().err == "error: Not a directory: /dev/null/x\n"


def test_a_closed_pipe_is_quiet() -> None:
    """Whoever stops reading gets no traceback."""
    shell = f"{' '.join(PYTHON)} --help | true"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, check=False)
    assert done.stderr == b""
