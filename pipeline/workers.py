"""Worker processes that never outlive their parent, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from pipeline.progress import counted


def in_processes(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, what: str = "rows"
) -> list[Any]:
    """Apply an importable function to each item, in order, in up to `workers` processes.

    Each worker holds one end of a pipe and leaves as soon as the other end is closed: by the parent, when an
    error, Ctrl-C or SIGTERM ends the work, or by the kernel, when the parent was killed.
    """
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    n = min(workers, len(items))
    with theirs, ours, ProcessPoolExecutor(n, context, _leave_with_parent, (theirs,)) as pool:
        try:
            with _signals_wait():
                futures = [pool.submit(function, item) for item in items]
            return [future.result() for future in counted(what, futures, len(futures))]
        except BaseException:
            ours.close()
            raise


def _leave_with_parent(theirs: Connection) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal sends them to the parent, too: it decides
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(theirs,), daemon=True).start()


def _watch(theirs: Connection) -> None:
    theirs.poll(None)  # nothing is ever sent: this returns when the other end is closed
    os._exit(1)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Hold signals back while workers start: they begin with this mask, so Ctrl-C finds none half started."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
