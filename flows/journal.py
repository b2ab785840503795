"""Which flow runs are at work in a workspace: a small file each, under a kernel lock while its process lives.

Prefect cannot know that a process was killed; its run says Running for ever. The kernel can: the lock on a
run's file is gone the moment its process is, whatever killed it. The file also names the process (pid, when
it started, the boot and the host), and a run counts as dead only when lock and process agree.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

FOLDER = "flow-runs"


@dataclass(frozen=True)
class Entry:
    """One flow run of this workspace.

    api : the Prefect server that holds the run, as `left_behind.server_name` names it.
    started : clock ticks from boot to the start of the process, None where the kernel does not say.
    """

    run: str
    flow: str
    api: str
    pid: int
    started: int | None
    boot: str
    host: str
    workspace: str
    began: str

    @property
    def gone(self) -> bool:
        """Whether the process, whose lock is free, no longer exists. False when it cannot be known from here.

        Under the same boot it is the same kernel, so the lock has told; in a container of another name the
        pid means another process. After another boot of the same host nothing is left.
        """
        same_host = self.host == platform.node()
        if self.boot != _boot() or not same_host:
            return same_host or bool(self.boot and self.boot == _boot())
        return _start_of(self.pid) is None or _start_of(self.pid) != self.started


_open: dict[str, tuple[TextIO, Path]] = {}  # this process's runs: closing a file would free its lock


def begin(workspace: Path, run: str, flow: str, api: str) -> None:
    """Keep a run's file, locked, until `end(run)` or the death of this process.

    Nothing for a run that this process has begun; a file that the run left in a dead process is replaced.
    """
    if run in _open:
        return
    folder = workspace / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    here = str(workspace.resolve())
    now = datetime.now(UTC).isoformat(timespec="seconds")
    pid = os.getpid()
    entry = Entry(run, flow, api, pid, _start_of(pid), _boot(), platform.node(), here, now)
    scratch, path = folder / f".{run}.{pid}", folder / f"{run}.json"
    file = scratch.open("w", encoding="utf-8")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    json.dump(asdict(entry), file, indent=1, sort_keys=True)
    file.flush()
    scratch.rename(path)  # locked before it can be seen: nobody takes a run that begins for a dead one
    _open[run] = file, path


def end(run: str) -> None:
    """Remove a run's file; one that this process did not begin is left alone."""
    if run in _open:
        file, path = _open.pop(run)
        path.unlink(missing_ok=True)
        file.close()


@contextmanager
def dead(workspace: Path) -> Iterator[list[tuple[Entry, Path]]]:
    """Give the runs whose process is gone, and hold their locks, so that one process deals with each."""
    held, found = [], []
    try:
        for path in sorted((workspace / FOLDER).glob("*.json")):
            try:
                file = path.open("r+", encoding="utf-8")
            except FileNotFoundError:  # its run has just ended
                continue
            held.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # alive
                continue
            if os.fstat(file.fileno()).st_nlink and (entry := _read(file.read())) and entry.gone:
                found.append((entry, path))
        yield found
    finally:
        for file in held:
            file.close()


def _read(text: str) -> Entry | None:
    """Return the entry, or None when the text is not one (a newer version's file is left alone)."""
    try:
        return Entry(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _start_of(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _boot() -> str:
    """Return the id of this boot of the machine, empty where the kernel has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return ""
