"""One timed run over a folder of pictures, ours or a peer's, in a process of its own; prints one JSON line.

    python benchmarks/image_runs.py audit|hashes|cleanvision|imagehash FOLDER

Imports and, for ours, compiling come before the clock starts. `scores` are cleanvision's table.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def audit(folder: Path):
    import pyarrow as pa

    from pipeline.dataset import Dataset, Roles
    from pipeline.hashing import image_array
    from pipeline.signals.engine import Engine, Signals
    from pipeline.stages.duplicates import Duplicates
    from pipeline.stages.quality import Quality

    def run(files: list[Path]) -> None:
        cells = image_array([f.read_bytes() for f in files])
        table = pa.table({"row_id": [f.name for f in files], "image": cells})
        data = Dataset.of(table, Roles(content=("image",)), "image")
        signals = Signals(data, Engine())
        Quality().find(data, signals)
        Duplicates().find(data, signals)

    files = sorted(folder.iterdir())
    run(files[:8])
    forget()
    return lambda: run(files)


def hashes(folder: Path):
    import numpy as np
    import pyarrow as pa

    from pipeline.hashing import image_array
    from pipeline.modalities.image.hashes import hashes
    from pipeline.modalities.image.reading import thumbs

    def run(files: list[Path]) -> None:
        cells = image_array([f.read_bytes() for f in files])
        hashes(np.array([t.whole for t in thumbs(pa.table({"image": cells}))]))

    files = sorted(folder.iterdir())
    run(files[:8])
    forget()
    return lambda: run(files)


def forget() -> None:
    """Nothing of the pictures that warmed up is kept."""
    from pipeline.modalities.image import identity, reading

    for known in (identity._known, reading._measured, reading._thumbed):
        known.clear()


def cleanvision(folder: Path):
    from cleanvision import Imagelab

    def run():
        lab = Imagelab(data_path=str(folder), verbose=False)
        lab.find_issues(n_jobs=2, verbose=False)
        return json.loads(lab.issues.rename(index=lambda p: Path(p).name).to_json(orient="index"))

    return run


def imagehash(folder: Path):
    import imagehash
    from PIL import Image

    return lambda: [str(imagehash.phash(Image.open(f))) for f in sorted(folder.iterdir())] and None


if __name__ == "__main__":
    run = {"audit": audit, "hashes": hashes, "cleanvision": cleanvision, "imagehash": imagehash}[sys.argv[1]](
        Path(sys.argv[2]))
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu, started = sum(u.ru_utime + u.ru_stime for u in used), time.perf_counter()
    scores = run()
    seconds = time.perf_counter() - started
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used) - cpu
    print(json.dumps({"wall_seconds": seconds, "cpu_seconds": cpu,
                      "peak_mib": max(u.ru_maxrss for u in used) / 1024,
                      "scores": scores if isinstance(scores, dict) else None}))
