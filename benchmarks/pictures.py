"""What pictures cost to take in and to keep: benchmarks/pictures.json. About half a minute, 0.5 GB of disk.

    python benchmarks/pictures.py

1,000 JPEGs of 512 x 512 px, quality 88, about 58 kB each, seeded: pictures a second that intake decodes; the
size of a workspace after eight stages that each drop, replace and add one picture, beside a copy of the
pictures for each snapshot; time and memory of loading a snapshot in a fresh process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROWS, STAGES, TIMES = 1000, 8, 5
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]


def bodies() -> list[bytes]:
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    coarse = (rng.integers(0, 255, (40, 40, 3), dtype=np.uint8) for _ in range(ROWS))
    whole = (cv2.resize(c, (512, 512), interpolation=cv2.INTER_CUBIC) for c in coarse)
    return [cv2.imencode(".jpg", w, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes() for w in whole]


def main() -> None:
    import pyarrow as pa
    from demo import _machine
    from pipelines import commit_run
    from test_blobs import Touch

    from pipeline import __version__
    from pipeline.dataset import Dataset, Roles
    from pipeline.modalities.image.intake import intake
    from pipeline.report.environment import versions
    from pipeline.store import Store

    files = bodies()
    table = pa.table({"image": pa.array(files, pa.large_binary())})
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        taken = intake(table, ("image",))
        seconds.append(time.perf_counter() - started)
    rows = pa.table({"row_id": [f"p{k:04d}" for k in range(ROWS)], "label": ["a", "b"] * (ROWS // 2),
                     "image": taken.table["image"]})
    data = Dataset.of(rows, Roles(content=("image",), label="label"), "image")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        commit_run(store, data, [Touch(seed=k) for k in range(STAGES)])
        raw = sum(map(len, files))
        size = {part: sum(p.stat().st_size for p in (store.root / part).rglob("*") if p.is_file())
                for part in ("blobs", "datasets", "steps", "runs")}
        n = len(list((store.root / "datasets").iterdir()))
        loaded = subprocess.run([sys.executable, __file__, folder, data.fingerprint], check=True,
                                capture_output=True, text=True)
    figures = {
        "command": "python benchmarks/pictures.py", "machine": _machine(), "versions": versions(__version__),
        "seed": 0, "load_average": os.getloadavg()[0], "rows": ROWS, "picture_bytes": raw,
        "intake_pictures_per_second": {"median": ROWS / sorted(seconds)[TIMES // 2],
                                       "best": ROWS / min(seconds)},
        "stages": STAGES, "snapshots": n, "bytes": size,
        "store_over_pictures": sum(size[p] for p in ("blobs", "datasets", "steps")) / raw,
        "copying_over_pictures": n, "load": json.loads(loaded.stdout),
    }
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
                            check=True)
    figures["commit"] = commit.stdout.strip()
    text = json.dumps(figures, indent=1, sort_keys=True)
    (HERE / "pictures.json").write_text(text + "\n", "utf-8")
    print(text)


def load(folder: str, name: str) -> None:
    from pipeline.store import Store

    def peak_mb() -> float:
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    store, before, started = Store(folder), peak_mb(), time.perf_counter()
    data = store.load(name)
    told = {"seconds": time.perf_counter() - started, "peak_mb_more": peak_mb() - before,
            "table_mb": data.table.nbytes / 2**20}
    print(json.dumps(told))


if __name__ == "__main__":
    load(*sys.argv[1:]) if sys.argv[1:] else main()
