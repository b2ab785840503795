"""The workspace: can it be written, do renames and kernel locks work there, can HEAD be read; all tried."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flows.doctor import Check
from pipeline.files import Corrupt
from pipeline.locks import LOCKS, locked
from pipeline.store import HEAD, Store

AREA = "workspace"


def workspace_checks(root: Path) -> Iterator[Check]:
    """Yield whether the workspace can be used; a missing one is tried in the folder that would hold it."""
    if root.exists() and not root.is_dir():
        yield Check(AREA, "folder", "fail", f"{root} is not a folder", "name another workspace with -w")
        return
    place = nearest(root)
    yield Check(AREA, "folder", "ok", f"{root}" if root.is_dir() else f"{root}, made by the first run")
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".assay-doctor-") as scratch:
            tried = [_rename(Path(scratch)), _flock(Path(scratch))]
    except OSError as error:
        yield Check(AREA, "writable", "fail", f"{place}: {error.strerror}", "fix it, or name another with -w")
        return
    yield Check(AREA, "writable", "ok", f"{place}")
    yield from tried
    if root.is_dir():
        yield _head(root)
        yield _busy(root)


def nearest(root: Path) -> Path:
    """Return the folder itself, or the nearest one above it that is there."""
    return next(p for p in (root.absolute(), *root.absolute().parents) if p.is_dir())


def _rename(scratch: Path) -> Check:
    """Try what a commit does: a folder with a synced file gets its final name at once."""
    try:
        made = scratch / "made"
        made.mkdir()
        with (made / "file").open("wb") as file:
            file.write(b"assay")
            file.flush()
            os.fsync(file.fileno())
        made.rename(scratch / "final")
        whole = (scratch / "final" / "file").read_bytes() == b"assay"
    except OSError as error:
        return Check(AREA, "rename", "fail", f"{error.strerror}", "use a workspace on a local file system")
    if not whole:
        return Check(AREA, "rename", "fail", "a renamed file lost its bytes", "use a local file system")
    return Check(AREA, "rename", "ok", "a folder is renamed in one step")


def _flock(scratch: Path) -> Check:
    """Try whether a lock that is held keeps a second one out."""
    path = scratch / "lock"
    do = "use a workspace on a local file system, or never start two runs at once"
    try:
        with path.open("w") as one, path.open("w") as two:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Check(AREA, "lock", "ok", "a second run is kept out")
    except OSError as error:
        return Check(AREA, "lock", "fail", f"no kernel locks: {error.strerror}", do)
    return Check(AREA, "lock", "fail", "two locks were given at once", do)


def _head(root: Path) -> Check:
    path = root / HEAD
    try:
        pointer = Store(root).head()
    except (Corrupt, OSError) as error:
        return Check(AREA, HEAD, "fail", str(error), f"delete {path}; the next run writes it again")
    if not pointer:
        return Check(AREA, HEAD, "ok", "none yet: no run was finished here")
    number = pointer.get("run")
    if number is not None and number not in Store(root).runs():
        return Check(AREA, HEAD, "fail", f"run {number} is missing", f"delete {path}; the next run writes it")
    return Check(AREA, HEAD, "ok", f"run {number}, snapshot {str(pointer.get('snapshot'))[:12]}")


def _busy(root: Path) -> Check:
    path = root / LOCKS / "run"
    if path.is_file():
        try:
            with locked(path, fcntl.LOCK_SH | fcntl.LOCK_NB):
                pass
        except BlockingIOError:
            found = f"by another run: {path.read_text('utf-8') or 'unknown'}"
            return Check(AREA, "in use", "warn", found, "wait for it to end, or end it")
    return Check(AREA, "in use", "ok", "by nobody")
