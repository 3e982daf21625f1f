"""Whom a call is for goes along into threads, tasks and the pools of both kinds.

pip install taximeter
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python threads_and_processes.py
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import threading
import urllib.request
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import taximeter

URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")


@taximeter.metered(project="examples", provider="openai", model="gpt-4o-mini")
def answer(question: str) -> Any:  # noqa: ANN401 - JSON
    """Ask one question."""
    taximeter.start()  # the same meter every time; in a new process, its own
    message = {"role": "user", "content": question}
    body = {"model": "gpt-4o-mini", "messages": [message]}
    headers = {
        "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
        "content-type": "application/json",
    }
    request = urllib.request.Request(  # noqa: S310 - the address is ours
        f"{URL}/chat/completions", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        return json.load(response)


async def tasks() -> None:
    """Ask two questions at once."""
    await asyncio.gather(
        asyncio.to_thread(answer, "What is a task?"),
        asyncio.create_task(asyncio.to_thread(answer, "What is a thread?")),
    )


def in_pool(pool: Executor) -> None:
    """Ask one question for each of two, in one pool."""
    with pool:
        with taximeter.attribute(user="ada"):
            first = pool.submit(answer, "What is a taxi?")
        with taximeter.attribute(user="bob"):
            second = pool.submit(answer, "What is a meter?")
        for asked in (first, second):
            asked.result()


def main() -> None:
    """Ask in every way there is."""
    fork, spawn = (
        multiprocessing.get_context("fork"),
        multiprocessing.get_context("spawn"),
    )
    taximeter.start()
    in_pool(ThreadPoolExecutor(1))
    in_pool(ProcessPoolExecutor(1, mp_context=fork))
    in_pool(ProcessPoolExecutor(1, mp_context=spawn))
    with taximeter.attribute(user="cleo"):
        asyncio.run(tasks())
        thread = threading.Thread(target=answer, args=("What is a thread?",))
        child = fork.Process(target=answer, args=("What is a process?",))
        for one in (child, thread):
            one.start()
            one.join()
    taximeter.stop()


if __name__ == "__main__":
    main()
