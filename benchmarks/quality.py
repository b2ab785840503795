"""What the detectors find of known truth. Writes quality.json.

    ASSAY_TRUTH=<folder of the data sets> python benchmarks/quality.py [PART ...]

Without a name all parts are measured; with names those, and the figures of the others stay as they were. Each
part is a module of `finding` whose docstring says what is compared with what, and which data was used to
choose a setting: never the rows that are reported.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import time
from pathlib import Path

import finding
from demo import _machine

from pipeline import __version__
from pipeline.report.environment import versions

HERE = Path(__file__).parent
OUT = HERE / "quality.json"


def main(names: list[str]) -> None:
    """Measure the named parts, or all."""
    parts = [m.name for m in pkgutil.iter_modules(finding.__path__) if not m.name.startswith("_")]
    if unknown := set(names) - set(parts):
        raise SystemExit(f"no part {sorted(unknown)[0]!r}; there are {', '.join(parts)}")
    if not (truth := os.environ.get("ASSAY_TRUTH")):
        raise SystemExit("set ASSAY_TRUTH to the folder of the data sets with known truth")
    figures = json.loads(OUT.read_text("utf-8")) if OUT.exists() else {}
    for name in names or parts:
        began = time.perf_counter()
        found = importlib.import_module(f"finding.{name}").measure(Path(truth))
        seconds = round(time.perf_counter() - began, 1)
        figures[name] = {"seconds": seconds, **_origin(), "figures": found}
        OUT.write_text(json.dumps(figures, indent=1, sort_keys=True, default=float) + "\n", "utf-8")
        print(f"{name}: {seconds} s\n{json.dumps(found, indent=1, default=float)}", flush=True)


def _origin() -> dict[str, object]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
                            check=False).stdout.strip()  # fmt: skip
    return {"commit": commit, "machine": _machine(), "versions": versions(__version__)}


if __name__ == "__main__":
    main(sys.argv[1:])
