"""New prices, as a person publishes them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import taximeter
from taximeter.cli import main
from taximeter_processors.price_book import litellm_price_file
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.topics import Topics

pytestmark = pytest.mark.broker

GPT = {"litellm_provider": "openai", "mode": "chat", "output_cost_per_token": 1e-5}


class Shell:
    """Runs commands on one installation."""

    def __init__(
        self, bootstrap: str, topics: Topics, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._where = ("--bootstrap", bootstrap, "--prefix", topics.prefix)
        self._capsys = capsys

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Return the exit code, stdout and stderr of `taximeter prices …`."""
        with pytest.raises(SystemExit) as ended:
            main(["prices", *map(str, arguments), *self._where])
        told = self._capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    def json(self, *arguments: object) -> Any:  # noqa: ANN401 - whatever it printed
        """Return what a command that ends well prints as JSON."""
        code, out, err = self.run(*arguments, "--format", "json")
        assert code == 0, err
        return json.loads(out)

    def input_usd(self, model: str, provider: str, *whose: str) -> str:
        """Return the price of an input token, as `prices show` tells it."""
        shown = self.json("show", model, "--provider", provider, *whose)
        (usd,) = (
            price["usd_per_unit"]
            for price in shown["prices"]
            if (price["unit"], price["above_input_tokens"]) == ("text_input_tokens", 0)
        )
        return str(usd)


@pytest.fixture
def shell(bootstrap: str, topics: Topics, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Give a shell on fresh topics."""
    return Shell(bootstrap, topics, capsys)


def test_a_newer_list_is_shown_then_published(shell: Shell, tmp_path: Path) -> None:
    """Dearer, cheaper, added, removed; a dry run changes nothing, the same list too."""
    listed = json.loads(litellm_price_file().content)
    listed["gpt-4o"] |= {"input_cost_per_token": 3e-6, "output_cost_per_token": 8e-6}
    listed["gpt-nova"] = GPT | {"input_cost_per_token": 1e-6}
    del listed["gpt-4o-mini"]
    file = tmp_path / "list.json"
    file.write_text(json.dumps(listed))
    now = ("--from", file, "--effective-from", "2026-01-01")

    code, out, err = shell.run("update", *now, "--dry-run")
    assert code == 0
    told = {tuple(line.split()[:2]) for line in out.splitlines()}
    assert {("dearer", "gpt-4o"), ("cheaper", "gpt-4o")} <= told
    assert {("added", "gpt-nova"), ("removed", "gpt-4o-mini")} <= told
    assert "models: 1 added, 1 removed, 1 dearer, 1 cheaper" in err
    assert "nothing was published" in err
    assert shell.input_usd("gpt-4o", "openai") == "0.0000025"

    done = shell.json("update", *now, "--yes")
    assert done["published"] is True
    assert done["price_version"].startswith("list-")
    rows = {
        (c["change"], c["price"]): (c["old_usd"], c["new_usd"])
        for c in done["changes"]
        if c["model"] == "gpt-4o"
    }
    assert rows["dearer", "input_cost_per_token"] == ("2.5", "3")
    assert shell.input_usd("gpt-4o", "openai") == "0.000003"
    assert shell.run("show", "gpt-4o-mini", "--provider", "openai")[0] == 1

    again = shell.json("update", *now, "--yes")
    assert (again["published"], again["changes"]) == (False, [])


def test_a_list_with_a_fault_is_refused_whole(shell: Shell, tmp_path: Path) -> None:
    """A missing key, text for a number, a negative price, an unknown name or suffix.

    Every fault is told; the prices in force stay.
    """
    file = tmp_path / "bad.json"
    bad = {
        "gpt-4o": GPT | {"input_cost_per_token": -1, "output_cost_per_token_turbo": 1},
        "other": {"input_cost_per_token": "cheap", "input_cost_per_tokn": 1},
    }
    file.write_text(json.dumps(bad))
    code, out, err = shell.run("update", "--from", file, "--yes")
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) == 6
    assert "bad.json is refused: 5 faults; the prices in force stay" in lines[-1]
    assert shell.input_usd("gpt-4o", "openai") == "0.0000025"


def test_own_prices_win(shell: Shell, tmp_path: Path) -> None:
    """Set by hand or from a file, for what the list has and what it has not."""
    code, _, err = shell.run("set", "our-llama", "--provider", "vllm", "--free")
    assert code == 0, err
    assert shell.input_usd("our-llama", "vllm") == "0"
    file = tmp_path / "own.yaml"
    file.write_text(
        "prices:\n"
        "  - {provider: openai, model: gpt-4o, discount_percent: 20}\n"
        "  - {provider: vllm, model: other, input_per_million: 0.15}\n"
    )
    done = shell.json("import", file)
    assert done["layer"] == "own"
    assert done["entries"] == 2
    assert shell.input_usd("gpt-4o", "openai") == "0.000002"
    assert shell.input_usd("other", "vllm") == "0.00000015"
    assert shell.input_usd("our-llama", "vllm") == "0"


def test_a_wrong_price_is_one_line(shell: Shell, tmp_path: Path) -> None:
    """What is given, what is missing, and nothing published."""
    for arguments, words in (
        (("set", "m", "--provider", "p"), "give prices, free, discount_percent"),
        (("set", "m", "--provider", "p", "--input-per-million", "-1"), "input_per_"),
        (("update", "--from", tmp_path / "no.json"), "cannot read"),
        (("update", "--from", "ftp://x/y.json"), "cannot read"),
    ):
        code, out, err = shell.run(*arguments)
        assert (code, out) == (1, "")
        assert words in err
        assert err.count("\n") == 1


async def test_python_estimates_by_published_prices_if_it_is_told_where(
    shell: Shell, bootstrap: str, topics: Topics
) -> None:
    """The installed list knows no price of one's own; the Kafka that has it does."""
    priced = ("--input-per-million", "2", "--output-per-million", "3")
    done = await asyncio.to_thread(
        shell.run, "set", "our-own", "--provider", "vllm", *priced
    )
    assert done[0] == 0, done[2]
    with pytest.raises(ConfigurationError, match="our-own"):
        taximeter.estimate("our-own", input_tokens=1)

    in_force = taximeter.Estimator.published(bootstrap, topics.prefix)
    found = taximeter.estimate(
        "our-own", input_tokens=1_000_000, max_output_tokens=1_000_000, prices=in_force
    )

    assert f"{found.input_cost_usd:f} {found.output_cost_usd:f}" == (
        "2.000000000000 3.000000000000"
    )


def test_own_prices_hold_for_whom_they_are(shell: Shell, tmp_path: Path) -> None:
    """By project and tag, marked up, in another currency, under names of one's own."""
    gpt = ("--provider", "openai")
    set_ = ("set", "gpt-4o", *gpt, "--project", "search")
    shell.json(*set_, "--tag", "team=growth", "--price", "input_per_million=1")
    euros = ("--price", "per_page=2", "--currency", "EUR", "--rate", "1.25")
    shell.json("set", "our-ocr", "--provider", "vllm", *euros)
    file = tmp_path / "own.yaml"
    file.write_text(
        "aliases: {our-chat: openai/gpt-4o}\n"
        "prices:\n"
        "  - {provider: openai, project: search, discount_percent: 20}\n"
        "  - {project: research, markup_percent: 10}\n"
    )
    code, out, err = shell.run("import", file)
    assert code == 0, err
    assert "gpt-4o (project search)" in out
    assert "+10 percent, for project research, on all" in err
    assert "our-chat means openai/gpt-4o" in err
    assert shell.input_usd("gpt-4o", "openai") == "0.0000025"
    search = ("--project", "search")
    assert shell.input_usd("gpt-4o", "openai", *search) == "0.000002"
    growth = (*search, "--tag", "team=growth", "--tag", "x=y")
    assert shell.input_usd("gpt-4o", "openai", *growth) == "0.000001"
    research = ("--project", "research")
    assert shell.input_usd("gpt-4o", "openai", *research) == "0.00000275"
    assert shell.input_usd("our-chat", "azure", *search) == "0.000002"

    _, _, why = shell.run("show", "gpt-4o", *gpt, *growth)
    assert (
        "it is a price of your own, for project search, tag team=growth: "
        "input_per_million 1" in why
    )
    _, _, why = shell.run("show", "our-ocr", "--provider", "vllm")
    assert "per_page 2, currency EUR, usd_per_unit 1.25, rate_from" in why
    _, _, why = shell.run("show", "gpt-4o", *gpt, *research)
    assert "marked up by 10 percent, for project research, on all" in why
    told = shell.json("show", "our-chat", "--provider", "azure", *search)
    assert (told["price_match"], told["rule"]) == ("gpt-4o", "alias, project")
    assert told["stated"] == {"discount_percent": "20"}

    shell.json("set", "gpt-4o", *gpt, *growth[:4], "--remove", "price")
    assert shell.input_usd("gpt-4o", "openai", *growth) == "0.000002"
    shell.json("alias", "our-chat", "--remove")
    shell.json("alias", "azure/dep-1", "openai/gpt-4o")
    assert shell.run("show", "our-chat", "--provider", "azure")[0] == 1
    assert shell.input_usd("dep-1", "azure") == "0.0000025"


def test_a_file_with_a_fault_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    """It is refused whole, with all faults, and the prices in force stay."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "prices:\n"
        "  - {provider: openai, model: gpt-4o, input_per_million: 1}\n"
        "  - {provider: openai, model: gpt-4o-mini, input_per_millon: 1}\n"
        "  - {provider: openai, model: gpt-4o-mini, per_page: -1}\n"
    )
    code, out, err = shell.run("import", file)
    assert (code, out) == (1, "")
    assert "price 2: input_per_millon is no price that is known" in err
    assert "price 3: per_page: Input should be greater" in err
    file.write_text(
        "prices:\n"
        "  - {provider: openai, model: gpt-4o, input_per_million: 1}\n"
        "  - {provider: openai, model: x, currency: EUR, per_page: 1}\n"
        "aliases: {x: openai/nothing}\n"
    )
    code, out, err = shell.run("import", file)
    assert (code, out) == (1, "")
    assert "price 2: no rate of EUR" in err
    assert "aliases: 'x' means 'openai/nothing'" in err
    assert "the prices in force stay as they are" in err
    assert shell.input_usd("gpt-4o", "openai") == "0.0000025"
