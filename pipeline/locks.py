"""Kernel locks. A lock belongs to a process, not to a file's existence: a killed holder frees it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

LOCKS = "locks"  # the workspace's folder of files to lock
POLL_SECONDS = 0.02


class Busy(Exception):
    """Another process holds the workspace; says which one and since when."""


@contextmanager
def hold(root: Path, name: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold a lock of the workspace, waiting for it up to `wait_seconds`. Raises `Busy` naming the holder.

    What the lock's file says is for people; whether it is held, only the kernel knows.
    """
    path, deadline = root / LOCKS / name, time.monotonic() + wait_seconds
    with ExitStack() as held:
        while True:
            try:
                file = held.enter_context(locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(f"workspace {root} is busy: {_holder(path)}; try again when it ends") from None
            time.sleep(POLL_SECONDS)
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "since": since}))
        file.flush()
        yield


@contextmanager
def locked(path: Path, how: int) -> Iterator[TextIO]:
    """Hold `fcntl.flock(path, how)`. Raises `BlockingIOError` when `how` says not to wait and it is taken."""
    if path.parent.name == LOCKS:
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, how)
        yield file


def _holder(path: Path) -> str:
    for _ in range(10):  # the holder writes its name a moment after it has taken the lock
        try:
            known = json.loads(path.read_text("utf-8"))
            return f"pid {known['pid']} has held it since {known['since']}"
        except ValueError:
            time.sleep(POLL_SECONDS)
    return "pid unknown"
