"""Store: content-addressed snapshots, steps, runs and signal tables under one workspace folder.

    datasets/<fingerprint>/   shard-*.parquet + manifest.json          immutable
    steps/<key>/              what one stage found on one snapshot      immutable
    signals/<name>/<key>/     tables of computed signals
    artifacts/<key>/          models and their evaluations
    runs/<n>/                 run.json, report.html, report.json
    HEAD                      {"run": n, "snapshot": fingerprint}

A commit is: write to a temporary folder, fsync, one rename, then move the pointer under a kernel lock. A
folder that has its final name is whole. Parquet pages carry checksums, and every file's SHA-256 is checked on
read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.dataset import Dataset, Roles
from pipeline.files import Corrupt, read_parquet, size_and_digest, sync, write_parquet
from pipeline.findings import Findings

SHARD_ROWS = 100_000
MANIFEST = "manifest.json"


class NotFound(LookupError):
    """There is no such run, row or snapshot in the workspace; says what there is."""


class Busy(Exception):
    """Another process holds the workspace."""


class Store:
    """A workspace. Opening it creates the folder; nothing else is written until a commit."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)

    # -- snapshots -------------------------------------------------------------------------------------------

    def save(self, data: Dataset) -> str:
        """Commit a dataset and return its fingerprint; the same rows are stored once."""
        name = data.fingerprint
        facts = {
            "kind": "dataset",
            "modality": data.modality,
            "roles": data.roles.model_dump(mode="json"),
            "rows": data.n_rows,
            "fingerprint": name,
        }

        def write(folder: Path) -> None:
            for k, start in enumerate(range(0, max(data.n_rows, 1), SHARD_ROWS)):
                write_parquet(folder / f"shard-{k:05d}.parquet", data.table.slice(start, SHARD_ROWS))

        self._commit(Path("datasets") / name, write, facts)
        return name

    def load(self, fingerprint: str) -> Dataset:
        """Return a snapshot, every file checked. Raises `Corrupt` or `FileNotFoundError`."""
        folder = self.root / "datasets" / fingerprint
        facts = self.manifest(folder)
        table = pa.concat_tables([read_parquet(folder / name) for name in sorted(facts["files"])])
        return Dataset.of(table, Roles(**facts["roles"]), facts["modality"])

    def replace_if_damaged(self, data: Dataset) -> None:
        """Keep a snapshot again whose files are damaged or gone; the damaged folder is set aside, not
        deleted.
        """
        try:
            self.load(data.fingerprint)
        except (Corrupt, FileNotFoundError):
            folder = self.root / "datasets" / data.fingerprint
            if folder.exists():
                aside = self.root / "damaged" / f"{data.fingerprint}-{uuid.uuid4().hex[:8]}"
                aside.parent.mkdir(exist_ok=True)
                folder.rename(aside)
            self.save(data)

    # -- steps: what a stage found ---------------------------------------------------------------------------

    def save_step(self, key: str, findings: Findings, facts: dict[str, Any]) -> None:
        """Commit one stage's findings beside the facts of the step (rows in, rows out, snapshot made ...)."""

        def write(folder: Path) -> None:
            write_parquet(folder / "findings.parquet", findings.edits)
            write_parquet(folder / "scores.parquet", findings.scores)
            if findings.added is not None:
                write_parquet(folder / "added.parquet", findings.added)

        body = {"kind": "step", "fitted": findings.fitted, "metrics": findings.metrics, "step": facts}
        self._commit(Path("steps") / key, write, body)

    def load_step(self, key: str) -> tuple[Findings, dict[str, Any]] | None:
        """Return a step's findings and facts, or None when it was never committed."""
        folder = self.root / "steps" / key
        if not (folder / MANIFEST).exists():
            return None
        facts = self.manifest(folder)
        tables = {name: read_parquet(folder / name) for name in facts["files"]}
        findings = Findings(
            tables["findings.parquet"],
            tables["scores.parquet"],
            tables.get("added.parquet"),
            facts["fitted"],
            facts["metrics"],
        )
        return findings, facts["step"]

    # -- artifacts: models, evaluations ----------------------------------------------------------------------

    def artifact(self, key: str, make: Callable[[Path], dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
        """Return the folder and facts under `key`, filled by `make(folder)` when it is not there yet."""
        folder = self.root / "artifacts" / key
        if not (folder / MANIFEST).exists():
            facts: dict[str, Any] = {"kind": "artifact"}
            self._commit(Path("artifacts") / key, lambda f: facts.__setitem__("facts", make(f)), facts)
        return folder, self.manifest(folder)["facts"]

    # -- signal tables (the engine's cache) ------------------------------------------------------------------

    def load_signal(self, name: str, key: str) -> pa.Table | None:
        """Return a global signal's table, or None."""
        folder = self.root / "signals" / name / key
        if not (folder / MANIFEST).exists():
            return None
        self.manifest(folder)
        return read_parquet(folder / "table.parquet")

    def save_signal(self, name: str, key: str, table: pa.Table) -> None:
        """Keep a global signal's table."""
        self._commit(
            Path("signals") / name / key,
            lambda f: write_parquet(f / "table.parquet", table),
            {"kind": "signal"},
        )

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
        """Commit a run under the next free number and move HEAD to it.

        `write(folder, n)` fills it and returns facts.
        """
        with self.lock():
            n = max(self.runs(), default=0) + 1
            facts: dict[str, Any] = {"kind": "run", "key": key, "snapshot": snapshot}
            self._commit(Path("runs") / str(n), lambda f: facts.__setitem__("facts", write(f, n)), facts)
            self._move_head({"run": n, "snapshot": snapshot})
        return n

    def find_run(self, key: str) -> int | None:
        """Return the number of the committed run with this key, newest first, or None."""
        return next((n for n in sorted(self.runs(), reverse=True) if self.run_facts(n)["key"] == key), None)

    def run_facts(self, n: int) -> dict[str, Any]:
        """Return a run's manifest. Raises `FileNotFoundError` naming the run."""
        return self.manifest(self.root / "runs" / str(n))

    def runs(self) -> list[int]:
        """Return the numbers of the committed runs, ascending."""
        folder = self.root / "runs"
        return sorted(int(p.name) for p in folder.glob("*") if p.name.isdigit() and (p / MANIFEST).exists())

    def head(self) -> dict[str, Any]:
        """Return what HEAD points at, {} in a new workspace."""
        path = self.root / "HEAD"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace's kernel lock; a killed process frees it. Raises `Busy` naming the holder."""
        path = self.root / "lock"
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise Busy(
                    f"workspace {self.root} is busy (pid {file.read().strip() or 'unknown'})"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    # -- how a commit is made --------------------------------------------------------------------------------

    def manifest(self, folder: Path) -> dict[str, Any]:
        """Return a folder's manifest after checking size and SHA-256 of each file it names."""
        facts = json.loads((folder / MANIFEST).read_text("utf-8"))
        for name, known in facts["files"].items():
            if size_and_digest(folder / name) != known:
                raise Corrupt(
                    f"{folder / name}: not the file that was committed; delete {folder} and run again"
                )
        return facts

    def _commit(self, place: Path, write: Callable[[Path], Any], facts: dict[str, Any]) -> None:
        final = self.root / place
        if (final / MANIFEST).exists():
            return
        scratch = self.root / "tmp" / uuid.uuid4().hex
        scratch.mkdir(parents=True)
        try:
            write(scratch)
            files = sorted(p for p in scratch.rglob("*") if p.is_file())
            facts["files"] = {str(p.relative_to(scratch)): size_and_digest(p) for p in files}
            text = json.dumps(facts, sort_keys=True, indent=1, allow_nan=False)
            (scratch / MANIFEST).write_text(text, "utf-8")
            for path in (*files, scratch / MANIFEST):
                sync(path)
                path.chmod(0o444)
            for folder in {p.parent for p in files} | {scratch}:
                sync(folder)
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                scratch.rename(final)
            except OSError:
                if not (final / MANIFEST).exists():  # somebody else committed the same content first: fine
                    raise
            sync(final.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _move_head(self, pointer: dict[str, Any]) -> None:
        scratch = self.root / f"HEAD.{uuid.uuid4().hex}"
        scratch.write_text(json.dumps(pointer, sort_keys=True), "utf-8")
        sync(scratch)
        scratch.replace(self.root / "HEAD")
        sync(self.root)
