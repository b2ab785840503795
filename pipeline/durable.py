"""Durable steps: whatever a commit does to the disk is done here, under a name.

The names, in the order a commit passes them:

    scratch-made  contents-written  manifest-written  file-synced   file-made-read-only  folder-synced
    place-made    renamed           rename-synced     head-written  head-file-synced     head-moved
    head-synced

`ASSAY_KILL_AT=renamed:2` kills the process group with SIGKILL right after the second `renamed`; that is how
the tests cut the power. Unset, it costs one look at the environment for each step.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
STEPS = (
    "scratch-made", "contents-written", "manifest-written", "file-synced", "file-made-read-only",
    "folder-synced", "place-made", "renamed", "rename-synced", "head-written", "head-file-synced",
    "head-moved", "head-synced",
)  # fmt: skip
KILL_AT = "ASSAY_KILL_AT"
_passed: Counter[str] = Counter()


def durable(name: str, act: Callable[..., T], *arguments: object) -> T:
    """Carry out one step of a commit and pass its name."""
    done = act(*arguments)
    if KILL_AT in os.environ:
        _passed[name] += 1
        if os.environ[KILL_AT] == f"{name}:{_passed[name]}":
            os.killpg(os.getpgrp(), signal.SIGKILL)
    return done


def sync(path: Path) -> None:
    """Force a file's contents, or a folder's entries, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
