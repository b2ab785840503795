"""snapshots, verify, gc: what a workspace holds, whether it is whole, and what nothing needs any more."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import blobs
from pipeline.blobs import WAIT_SECONDS
from pipeline.commit import scratch
from pipeline.dataset import Dataset
from pipeline.files import Corrupt
from pipeline.locks import hold
from pipeline.packs import PACKS, packs_of
from pipeline.store import MANIFEST, Store


def snapshots(store: Store) -> list[dict[str, Any]]:
    """Return every stored snapshot, newest first: fingerprint, rows, bytes, when it was made, whose it is."""
    parts: dict[str, list[str]] = {}
    for number in store.runs():
        facts = store.run_facts(number)["facts"]
        parts.setdefault(facts["root"], []).append(f"root of run {number}")
        parts.setdefault(facts["curated"], []).append(f"curated by run {number}")
    for facts in _readings(store):
        parts.setdefault(facts["root"], []).append("data that was read")
    head = store.head().get("snapshot")
    out = []
    for folder in (p.parent for p in (store.root / "datasets").glob(f"*/{MANIFEST}")):
        facts = store.manifest(folder)
        made_seconds = (folder / MANIFEST).stat().st_mtime
        out.append({
            "snapshot": folder.name, "rows": facts["rows"], "modality": facts["modality"],
            "bytes": sum(f["bytes"] for f in facts["files"].values()), "made_seconds": made_seconds,
            "head": folder.name == head, "is": parts.get(folder.name, ["what one stage left"]),
        })  # fmt: skip
    return sorted(out, key=lambda s: (-s["made_seconds"], s["snapshot"]))


def keep_again(store: Store, data: Dataset) -> None:
    """Keep a snapshot whose files may be damaged or gone; what is damaged is set aside, not deleted."""
    try:
        store.load(data.fingerprint)
    except Corrupt:
        folder = store.root / "datasets" / data.fingerprint
        if folder.exists():
            aside = store.root / "damaged" / f"{data.fingerprint}-{uuid.uuid4().hex[:8]}"
            aside.parent.mkdir(exist_ok=True)
            folder.rename(aside)
        store.save(data)


def verify(store: Store) -> tuple[int, list[str]]:
    """Check every file of the workspace against its manifest, and every run against what it stands on.

    Returns how many folders were checked and a line for each fault. Cost: reads every byte once.
    """
    checked, faults, broken = 0, [], set()
    for folder in store.folders():
        checked += 1
        try:
            store.check(folder)
        except Corrupt as fault:
            faults.append(str(fault))
            broken.add(folder)
    for number in store.runs():
        if store.root / "runs" / str(number) in broken:
            continue
        facts = store.run_facts(number)["facts"]
        places = [f"datasets/{facts[k]}" for k in ("root", "curated")]
        places += [f"steps/{entry['key']}" for entry in facts["applied"]]
        faults += [
            f"{store.root / place}: missing; run {number} stands on it"
            for place in dict.fromkeys(places)
            if not (store.root / place / MANIFEST).exists()
        ]
    try:
        head = store.head()
    except Corrupt as fault:
        faults.append(str(fault))
        head = {}
    if head and head["run"] not in store.runs():
        faults.append(f"{store.root / 'HEAD'}: points at run {head['run']}, which is missing")
    return checked, faults


@dataclass
class Collected:
    """What gc removed, or would remove: folders by kind and their bytes."""

    folders: dict[str, int] = field(default_factory=dict)
    bytes: int = 0


def gc(store: Store, older_than_days: float = 7.0, dry_run: bool = False) -> Collected:
    """Remove what no run stands on and nothing has used for `older_than_days`.

    Runs, the snapshots and steps they stand on, the roots of everything that was read, and HEAD stay. Other
    snapshots, steps, signals, evaluations and models go; they are made again when they are needed. A pack of
    pictures stays while a snapshot or step that stays names it. Holds the workspace for a run. Raises `Busy`.
    """
    limit = time.time() - older_than_days * 86_400
    done = Collected()
    with store.lock():
        needed = _needed(store)
        going: set[Path] = set()

        def collect(folders: Iterable[Path]) -> None:
            for folder in folders:
                if folder in needed or folder.stat().st_mtime > limit:
                    continue
                kind = folder.relative_to(store.root).parts[0]
                going.add(folder)
                done.folders[kind] = done.folders.get(kind, 0) + 1
                done.bytes += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                if not dry_run:
                    _remove(store, folder)

        collect([f for f in store.folders() if f.parent.name not in ("runs", PACKS)])
        with hold(store.root, PACKS, WAIT_SECONDS):  # nobody stores a snapshot of pictures meanwhile
            stay = (f for f in store.folders() if f.parent.name in ("datasets", "steps") and f not in going)
            needed |= blobs.needed(store, stay)
            collect(packs_of(store.root))
    return done


def _needed(store: Store) -> set[Path]:
    """Return the folders that a run or a reading of the data stands on."""
    names = {f"datasets/{store.head().get('snapshot')}"}
    for number in store.runs():
        facts = store.run_facts(number)["facts"]
        names |= {f"datasets/{facts['root']}", f"datasets/{facts['curated']}"}
        names |= {f"steps/{entry['key']}" for entry in facts["applied"]}
    for facts in _readings(store):
        names |= {f"datasets/{facts['root']}", f"artifacts/{facts['key']}"}
    return {store.root / name for name in names}


def _readings(store: Store) -> Iterator[dict[str, Any]]:
    """Yield the facts of all data that was read: its source may be gone by now."""
    for manifest in sorted((store.root / "artifacts").glob(f"*/{MANIFEST}")):
        facts = store.manifest(manifest.parent)["facts"]
        if "root" in facts:
            yield {**facts, "key": manifest.parent.name}


def _remove(store: Store, folder: Path) -> None:
    """Take a folder away: first its name, then its files, so that a killed gc leaves no half folder."""
    with scratch(store.root) as place:
        folder.rename(place / "gone")
