"""Store: content-addressed snapshots, steps, runs and signal tables under one workspace folder.

    datasets/<fingerprint>/   shard-*.parquet + manifest.json          immutable
    blobs/<digest>/           the bytes of pictures, each once (see `blobs`)
    steps/<key>/              what one stage found on one snapshot      immutable
    signals/<name>/<key>/     tables of computed signals
    artifacts/<key>/          models and their evaluations
    runs/<n>/                 ledger, curated dataset, model, evaluation, report
    HEAD                      {"run": n, "snapshot": fingerprint}

A folder that has its final name is whole (see `commit`); every file's SHA-256 is checked before it is read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import blobs, packs
from pipeline.commit import MANIFEST, commit, move, unsealed
from pipeline.dataset import Dataset, Roles
from pipeline.files import Corrupt, read_parquet, verify, write_parquet
from pipeline.findings import Findings
from pipeline.keys import Key, why_computed
from pipeline.locks import Busy, hold

__all__ = ["MANIFEST", "Busy", "Corrupt", "NotFound", "Store"]
SHARD_ROWS = 100_000
HEAD = "HEAD"
COMMIT_SECONDS = 60.0  # how long to wait for another process that commits a run just now


class NotFound(LookupError):
    """There is no such run, row or snapshot in the workspace; says what there is."""


class Store:
    """A workspace. Opening it creates the folder; nothing else is written until a commit.

    tell : takes a line for each result that is computed, saying why it is not read back.
    """

    def __init__(self, root: Path | str, tell: Callable[[str], None] | None = None) -> None:
        self.root, self.tell = Path(root), tell
        self.root.mkdir(parents=True, exist_ok=True)

    # -- snapshots -------------------------------------------------------------------------------------------

    def save(self, data: Dataset) -> str:
        """Commit a dataset and return its fingerprint; the same rows are stored once."""
        name = data.fingerprint
        facts = {"kind": "dataset", "modality": data.modality, "roles": data.roles.model_dump(mode="json"),
                 "rows": data.n_rows, "fingerprint": name}  # fmt: skip
        with blobs.apart(self, {"rows": data.table}) as (light, pictures):
            def write(folder: Path) -> None:
                for k, start in enumerate(range(0, max(data.n_rows, 1), SHARD_ROWS)):
                    write_parquet(folder / f"shard-{k:05d}.parquet", light["rows"].slice(start, SHARD_ROWS))
            self._commit(Path("datasets") / name, write, {**facts, **pictures})
        return name

    def load(self, fingerprint: str) -> Dataset:
        """Return a snapshot, every file checked. Raises `Corrupt`, also when there is none."""
        folder = self.root / "datasets" / fingerprint
        facts = self._used(folder)
        table = pa.concat_tables([read_parquet(folder / name) for name in sorted(facts["files"])])
        table = blobs.whole(self, facts, "rows", table)
        return Dataset.of(table, Roles(**facts["roles"]), facts["modality"])

    # -- steps: what a stage found ---------------------------------------------------------------------------

    def save_step(
        self, key: str, findings: Findings, facts: dict[str, Any], depends: Key | None = None
    ) -> None:
        """Commit one stage's findings beside the facts of the step (rows in, rows out, snapshot made ...)."""
        tables = {blobs.EDITS: findings.edits, "scores": findings.scores, "added": findings.added}
        body = {"kind": "step", "fitted": findings.fitted, "metrics": findings.metrics, "step": facts,
                "depends": depends.facts if depends else None}  # fmt: skip
        with blobs.apart(self, {n: t for n, t in tables.items() if t is not None}) as (light, pictures):
            def write(folder: Path) -> None:
                for name, table in light.items():
                    write_parquet(folder / f"{name}.parquet", table)
            self._commit(Path("steps") / key, write, {**body, **pictures})

    def load_step(self, key: str) -> tuple[Findings, dict[str, Any]] | None:
        """Return a step's findings and facts, or None when it was never committed."""
        folder = self.root / "steps" / key
        if not (folder / MANIFEST).exists():
            return None
        facts = self._used(folder)
        names = [n for n in (blobs.EDITS, "scores", "added") if f"{n}.parquet" in facts["files"]]
        tables = {n: blobs.whole(self, facts, n, read_parquet(folder / f"{n}.parquet")) for n in names}
        edits, scores, added = tables[blobs.EDITS], tables["scores"], tables.get("added")
        return Findings(edits, scores, added, facts["fitted"], facts["metrics"]), facts["step"]

    # -- artifacts: models, evaluations ----------------------------------------------------------------------

    def artifact(self, key: Key, make: Callable[[Path], dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
        """Return the folder and facts under `key`, filled by `make(folder)` when it is not there yet."""
        folder = self.root / "artifacts" / key.digest
        if not (folder / MANIFEST).exists():
            self.explain("artifacts", key)
            facts: dict[str, Any] = {"kind": "artifact", "depends": key.facts}
            self._commit(Path("artifacts") / key.digest, lambda f: facts.__setitem__("facts", make(f)), facts)
        return folder, self._used(folder)["facts"]

    # -- signal tables (the engine's cache) ------------------------------------------------------------------

    def load_signal(self, name: str, key: str) -> pa.Table | None:
        """Return a global signal's table, or None."""
        folder = self.root / "signals" / name / key
        if not (folder / MANIFEST).exists():
            return None
        self._used(folder)
        return read_parquet(folder / "table.parquet")

    def save_signal(self, name: str, key: str, table: pa.Table) -> None:
        """Keep a global signal's table."""
        place = Path("signals") / name / key
        self._commit(place, lambda f: write_parquet(f / "table.parquet", table), {"kind": "signal"})

    def load_rows(self, name: str, key: str) -> pa.Table | None:
        """Return every cached line of a row signal, or None."""
        folder = self.root / "signals" / name / key
        parts = [self.load_signal(name, f"{key}/{p.name}") for p in sorted(folder.glob("*"))]
        tables = [p for p in parts if p is not None]
        return pa.concat_tables(tables) if tables else None

    def save_rows(self, name: str, key: str, table: pa.Table) -> None:
        """Add lines to a row signal's cache."""
        lines = hashlib.sha256("\n".join(table["content"].to_pylist()).encode()).hexdigest()[:32]
        self.save_signal(name, f"{key}/{lines}", table)

    # -- runs and the pointer --------------------------------------------------------------------------------

    def save_run(self, key: str, write: Callable[[Path, int], dict[str, Any]], snapshot: str) -> int:
        """Commit a run under the next free number, move HEAD to it and return the number.

        `write(folder, n)` fills it and returns facts. A run that is there under this key is not written
        again; a pointer that an interrupted commit left behind is moved on.
        """
        with hold(self.root, "HEAD", COMMIT_SECONDS):
            n = self.find_run(key)
            if new := n is None:
                n = max(self.runs(), default=0) + 1
                facts: dict[str, Any] = {"kind": "run", "key": key, "snapshot": snapshot}
                self._commit(Path("runs") / str(n), lambda f: facts.__setitem__("facts", write(f, n)), facts)
            newest = max(self.runs())
            if new or self._pointer().get("newest", 0) < newest:
                self._move_head({"run": newest, "snapshot": self._facts(newest)["snapshot"]})
        return n

    def find_run(self, key: str) -> int | None:
        """Return the number of the committed run with this key, newest first, or None."""
        return next((n for n in sorted(self.runs(), reverse=True) if self._facts(n)["key"] == key), None)

    def run_facts(self, n: int) -> dict[str, Any]:
        """Return a run's manifest, every file checked. Raises `Corrupt`."""
        return self.manifest(self.root / "runs" / str(n))

    def runs(self) -> list[int]:
        """Return the numbers of the committed runs, ascending."""
        folder = self.root / "runs"
        return sorted(int(p.name) for p in folder.glob("*") if p.name.isdigit() and (p / MANIFEST).exists())

    def head(self) -> dict[str, Any]:
        """Return the run and the snapshot that HEAD points at, {} in a new workspace. Raises `Corrupt`."""
        return {k: v for k, v in self._pointer().items() if k != "newest"}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace for a whole run, so that two runs never interleave; reading needs no lock.

        A killed process frees it. Raises `Busy` naming the holder.
        """
        with hold(self.root, "run"):
            yield

    def _facts(self, n: int) -> dict[str, Any]:
        return unsealed(self.root / "runs" / str(n) / MANIFEST)

    def _pointer(self) -> dict[str, Any]:
        path = self.root / HEAD
        return unsealed(path) if path.exists() else {}

    def _move_head(self, pointer: dict[str, Any]) -> None:
        """Replace HEAD; `newest` is the newest run it has ever had to do with."""
        move(self.root, HEAD, {**pointer, "newest": max(self.runs(), default=0)})

    def explain(self, kind: str, key: Key) -> None:
        """Tell, if anybody asked for it, what is not as it was when such a result was last kept."""
        if self.tell is not None:
            self.tell(why_computed(self.root / kind, key))

    # -- manifests -------------------------------------------------------------------------------------------

    def manifest(self, folder: Path, afresh: bool = False) -> dict[str, Any]:
        """Return a folder's manifest after checking its seal, its place and each file's size and SHA-256.

        `afresh` hashes also what this process has hashed before. Raises `Corrupt`.
        """
        facts = unsealed(folder / MANIFEST)
        hint = f"delete {folder} and run again"
        if facts["place"] != folder.relative_to(self.root).as_posix():
            raise Corrupt(f"{folder}: was committed as {facts['place']}; {hint}")
        for name, known in facts["files"].items():
            if not verify(folder / name, known, afresh):
                raise Corrupt(f"{folder / name}: not the file that was committed; {hint}")
        return facts

    def _used(self, folder: Path) -> dict[str, Any]:
        """Return a folder's manifest and mark the folder as used now, which gc goes by."""
        facts = self.manifest(folder)
        _touch(folder)
        return facts

    def folders(self) -> Iterator[Path]:
        """Return every committed folder: snapshots, steps, artifacts, runs, pictures, signals."""
        for kind in ("datasets", "steps", "artifacts", "runs", packs.PACKS):
            yield from sorted(p for p in (self.root / kind).glob("*") if p.is_dir())
        yield from sorted(p.parent for p in (self.root / "signals").rglob(MANIFEST))

    def check(self, folder: Path) -> dict[str, Any]:
        """Hash all files of a committed folder again and return its manifest. Raises `Corrupt`.

        A snapshot's rows must also give the fingerprint it is named by.
        """
        facts = self.manifest(folder, afresh=True)
        if facts["kind"] == packs.PACKS:
            packs.check(folder, facts["files"])
        if place := blobs.gone(self, facts):
            raise Corrupt(f"{self.root / place}: missing; {folder} stands on it")
        if facts["kind"] == "dataset" and self.load(folder.name).fingerprint != folder.name:
            raise Corrupt(f"{folder}: its rows have another fingerprint; delete {folder} and run again")
        return facts

    def _commit(self, place: Path, write: Callable[[Path], Any], facts: dict[str, Any]) -> None:
        if (self.root / place / MANIFEST).exists():
            return _touch(self.root / place)
        return commit(self.root, place, write, facts)


def _touch(folder: Path) -> None:
    with suppress(OSError):  # a workspace that may only be read is read all the same
        os.utime(folder)
