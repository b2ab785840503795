"""How often a promise is tried, and where its figures go.

The same tests keep the promises in two tiers: a few cases with the suite, all of them with `make promises`,
which sets ASSAY_PROMISES to a folder, runs these tests and makes docs/promises.md of what they recorded
there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

FOLDER = os.environ.get("ASSAY_PROMISES")


def count(quick: int, full: int) -> int:
    """Return how many cases to try in this tier."""
    return full if FOLDER else quick


def record(promise: str, passed: int, failed: int, **facts: object) -> None:
    """Keep a promise's figures (`facts`: further named numbers or short texts); called before the test
    asserts.

    promise : the name of its line in benchmarks/promises.py, for example "crash_safety".
    """
    if FOLDER:
        line = {"promise": promise, "passed": passed, "failed": failed, **facts}
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        (Path(FOLDER) / f"{promise}.json").write_text(json.dumps(line, indent=1, sort_keys=True), "utf-8")
