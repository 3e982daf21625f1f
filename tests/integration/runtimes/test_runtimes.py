"""Whatever runs a program, its calls are in Kafka once each: every example is run."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import nbformat
import pytest
from celery import Celery
from nbclient import NotebookClient

from taximeter.broker.ports import free_port
from taximeter_schemas.usage import UsageRecorded
from tests.integration.producers.usage_topic import ids
from tests.integration.runtimes.conftest import EXAMPLES, Stage
from tests.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore")]

LIMIT = 180.0
RUNTIME = Path(__file__).with_name("lambda_runtime.py")
SAID = "The capital of France is Paris."
RUN_HERE = {
    "aws_lambda.py",
    "celery_tasks.py",
    "gunicorn_app.py",
    "notebook.ipynb",
    "threads_and_processes.py",
}


def users(events: list[UsageRecorded]) -> Counter[str]:
    """Return how often each user called; no event is there twice."""
    assert len(set(ids(events))) == len(events)
    assert {(e.project_id, e.status) for e in events} == {("examples", "ok")}
    return Counter(event.user_id for event in events)


def test_every_example_is_run() -> None:
    """An example that no test runs would rot."""
    files = {file.name for file in EXAMPLES.iterdir() if file.is_file()}
    assert files == RUN_HERE


async def test_gunicorn_forks_after_the_meter_was_started(stage: Stage) -> None:
    """Each worker of a preloaded app sends its own calls, at its end too."""
    stage.answers(2, together=2)
    port = free_port()
    address = f"127.0.0.1:{port}"
    options = ("--preload", "--workers", "2", "--bind", address, "--log-level", "error")
    with stage.running("web", "-m", "gunicorn", *options, "gunicorn_app:app") as web:
        eventually(lambda: _listens(port), LIMIT)
        asked = [asyncio.to_thread(_ask, address, user) for user in ("ada", "bob")]
        told = await asyncio.gather(*asked)
        assert {text for _, text in told} == {SAID}
        assert len({worker for worker, _ in told}) == 2
        web.terminate()
        assert web.wait(LIMIT) == 0
    assert users(await stage.events("web")) == {"ada": 1, "bob": 1}


def _ask(address: str, user: str) -> tuple[str, str]:
    connection = HTTPConnection(address, timeout=LIMIT)
    connection.request("GET", "/", headers={"x-user-id": user})
    answer = connection.getresponse()
    with closing(connection):
        return answer.headers["x-worker"], answer.read().decode()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


async def test_celery_forks_its_pool(stage: Stage, tmp_path: Path) -> None:
    """Each process of a prefork pool counts its tasks, also one that is replaced."""
    stage.answers(4, together=2)
    (tmp_path / "control").mkdir()
    tasks = Celery(broker="filesystem://")
    tasks.conf.broker_transport_options = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path / "control"),
    }
    for user in ("ada", "bob", "ada", "bob"):
        tasks.send_task("celery_tasks.answer", (user, "What is the capital of France?"))
    options = ("--pool", "prefork", "--concurrency", "2", "--loglevel", "ERROR")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    with stage.running(
        "tasks",
        *("-m", "celery", "--app", "celery_tasks", "worker", *options, *quiet),
        CELERY_BROKER_URL="filesystem://",
        CELERY_FOLDER=str(tmp_path),
    ) as worker:
        before = len(stage.provider.asked)
        eventually(lambda: len(stage.provider.asked) >= before + 4, LIMIT)
        worker.terminate()
        assert worker.wait(LIMIT) == 0
    assert users(await stage.events("tasks")) == {"ada": 2, "bob": 2}


async def test_lambda_freezes_what_has_answered(stage: Stage) -> None:
    """Frozen right behind its answer, and killed later, a function has lost nothing."""
    stage.answers(2)
    runtime = (str(RUNTIME), str(EXAMPLES), "aws_lambda", "answer")
    with stage.running("lambda", *runtime) as process:
        for count, user in enumerate(("ada", "bob"), start=1):
            process.send_signal(signal.SIGCONT)
            answer = await asyncio.to_thread(_invoke, process, user)
            process.send_signal(signal.SIGSTOP)
            assert answer == {"answer": SAID}
            assert len(await stage.events("lambda")) == count
    assert users(await stage.events("lambda")) == {"ada": 1, "bob": 1}


def _invoke(process: subprocess.Popen[str], user: str) -> Any:  # noqa: ANN401
    assert process.stdin is not None
    assert process.stdout is not None
    event = {"user": user, "question": "What is the capital of France?"}
    process.stdin.write(json.dumps(event) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _read(notebook: Path) -> Any:  # noqa: ANN401 - Jupyter's own
    return nbformat.reads(notebook.read_text(), 4)  # type: ignore[no-untyped-call]


async def test_a_notebook(stage: Stage) -> None:
    """Cells that await metered clients are counted, in the loop that Jupyter runs."""
    stage.answers(1)
    notebook = _read(EXAMPLES / "notebook.ipynb")
    client = NotebookClient(notebook, kernel_name="python3", timeout=int(LIMIT))
    await client.async_execute(env=stage.settings("notebook"))
    said, sent = (cell.outputs[0]["data"]["text/plain"] for cell in notebook.cells[2:])
    assert (said, sent) == (repr(SAID), "True")
    assert users(await stage.events("notebook")) == {"ada": 1}


async def test_threads_and_processes(stage: Stage) -> None:
    """What a block starts is for whom it says; a pool's end waits for its events."""
    stage.answers(10)
    with stage.running("script", "threads_and_processes.py") as script:
        assert script.wait(LIMIT) == 0
    found = users(await stage.events("script"))
    assert found == {"ada": 3, "bob": 3, "cleo": 4}
