"""One worker process: the Faust app with its price book, run until it is stopped."""

from __future__ import annotations

import gc
import logging
import os

import faust

from taximeter_processors.app import FlushReport, WorkerConfig, create_app
from taximeter_processors.price_book import litellm_price_books
from taximeter_schemas import fault_points

__all__ = ["FlushReport", "WorkerConfig", "run_worker"]


def run_worker(config: WorkerConfig) -> None:
    """Run a worker in this process until SIGTERM or SIGINT; exits the process.

    The topics must exist. Bad events become dead letters; a broker that goes away is
    waited for.
    """
    fault_points.arm(os.environ)
    # mode logs at DEBUG into handlers that drop it, for an eighth of the time.
    for name in ("mode", "faust", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    app = create_app(config, litellm_price_books())
    # Modules and prices stay: every look through them takes up to a tenth of a second.
    gc.collect()
    gc.freeze()
    worker = faust.Worker(
        app,
        loglevel="WARNING",
        override_logging=False,
        quiet=True,
        redirect_stdouts=False,
    )
    worker.execute_from_commandline()
