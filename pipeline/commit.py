"""Commits: a folder gets its final name when it is whole, and never changes afterwards.

Write into a temporary folder, add the manifest, force all to disk, make it read-only, rename once, force
the rename to disk. A process may be killed, a disk may fill up or fail between any two of these steps: the
old state stays as it was, and the same commit made again succeeds. HEAD is replaced the same way.

Manifest and HEAD are *sealed*: JSON that holds the digest of the rest of itself, in one canonical writing, so
that any changed bit shows.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.durable import durable, sync
from pipeline.files import Corrupt, full_disk, size_and_digest
from pipeline.locks import LOCKS, locked

MANIFEST = "manifest.json"
SEAL = "seal"


def commit(root: Path, place: Path, write: Callable[[Path], Any], facts: dict[str, Any]) -> None:
    """Commit what `write(folder)` makes as `root / place`, with `facts` in its manifest.

    `facts` may still be completed by `write`. What is there already is left alone. Raises what `write`
    raises, and `OSError` naming the path when the disk is full or fails; nothing is visible then.
    """
    final = root / place
    if (final / MANIFEST).exists():
        return
    try:
        with scratch(root) as folder:
            durable("contents-written", write, folder)
            files = sorted(p for p in folder.rglob("*") if p.is_file())
            digests = {p.relative_to(folder).as_posix(): size_and_digest(p) for p in files}
            text = sealed({**facts, "place": place.as_posix(), "files": digests})
            durable("manifest-written", (folder / MANIFEST).write_text, text, "utf-8")
            for path in (*files, folder / MANIFEST):
                durable("file-synced", sync, path)
                durable("file-made-read-only", path.chmod, 0o444)
            for path in {p.parent for p in files} | {folder}:
                durable("folder-synced", sync, path)
            durable("place-made", _make_parents, final)
            durable("renamed", _rename, folder, final)
            for parent in place.parents:
                durable("rename-synced", sync, root / parent)
    except OSError as error:
        raise full_disk(error, final) from error


def _make_parents(final: Path) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)


def _rename(folder: Path, final: Path) -> None:
    try:
        folder.rename(final)
    except OSError:
        if (final / MANIFEST).exists():  # somebody committed the same first, or it was moved
            return
        if final.exists():
            raise Corrupt(f"{final}: has lost its manifest; delete {final} and run again") from None
        raise


def move(root: Path, name: str, pointer: dict[str, Any]) -> None:
    """Replace the pointer `root / name`. An error whose outcome is unknown is settled by reading it again."""
    final = root / name
    try:
        with scratch(root) as folder:
            path = folder / name
            durable("head-written", path.write_text, sealed(pointer), "utf-8")
            durable("head-file-synced", sync, path)
            durable("head-moved", _replace, path, final, pointer)
            durable("head-synced", sync, root)
    except OSError as error:
        raise full_disk(error, final) from error


def _replace(path: Path, final: Path, pointer: dict[str, Any]) -> None:
    try:
        path.replace(final)
    except OSError:
        if not final.exists() or unsealed(final) != pointer:
            raise


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Give a temporary folder under `root/tmp`, removed in the end; what the dead left is removed first.

    Its owner holds a kernel lock on the file `owner` beside it: what nobody holds has no owner any more.
    """
    home = root / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    _sweep(home)
    place = home / uuid.uuid4().hex
    with ExitStack() as mine:
        with locked(root / LOCKS / "tmp", fcntl.LOCK_SH):  # no sweep between the folder and its owner
            durable("scratch-made", place.mkdir)
            mine.callback(shutil.rmtree, place, ignore_errors=True)
            mine.enter_context(locked(place / "owner", fcntl.LOCK_EX))
        (place / "made").mkdir()
        yield place / "made"


def _sweep(home: Path) -> None:
    now = fcntl.LOCK_EX | fcntl.LOCK_NB
    with suppress(BlockingIOError), locked(home.parent / LOCKS / "tmp", now):
        for place in home.iterdir():
            with suppress(BlockingIOError, FileNotFoundError), locked(place / "owner", now):
                shutil.rmtree(place, ignore_errors=True)


def sealed(facts: dict[str, Any]) -> str:
    """Return facts as JSON text with a digest over them.

    >>> json.loads(sealed({"run": 1}))["seal"] == json.loads(sealed({"run": 2}))["seal"]
    False
    """
    plain = json.loads(json.dumps(facts, allow_nan=False))  # as read back: keys are text
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    return json.dumps({**plain, SEAL: digest}, sort_keys=True, indent=1)


def unsealed(path: Path) -> dict[str, Any]:
    """Return the facts of a sealed file, less the digest. Raises `Corrupt` when any bit differs."""
    try:
        text = path.read_bytes().decode("utf-8")
        facts = json.loads(text)
        del facts[SEAL]
        same = sealed(facts) == text
    except FileNotFoundError:
        raise Corrupt(f"{path}: missing") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        same = False
    if not same:
        what = f"delete {path.parent}" if path.name == MANIFEST else "delete it"
        raise Corrupt(f"{path}: not what was written; {what} and run again")
    return facts
