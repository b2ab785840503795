"""Try every promise at its full count, with networking cut off, and write docs/promises.md of what came out.

From the repository's root, as root for the full disks and the cut network (about half an hour on two cores):

    python benchmarks/promises.py          runs the tests, writes promises.json and docs/promises.md
    python benchmarks/promises.py cancel   runs only tests/test_cancel.py again and updates its lines
    python benchmarks/promises.py --page   only rewrites docs/promises.md from promises.json
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
JSON, PAGE = HERE / "promises.json", HERE.parent / "docs" / "promises.md"

# name in the tests' records: what is promised, what one case is
PROMISES = {
    "crash_safety": ("A killed run goes on to the same bytes", "kill -9 of a run, then the same command"),
    "nth_call": ("No failing call breaks the workspace", "EIO or ENOSPC at the N-th file-system call"),
    "disk_full": ("A full disk ends in one line, and loses nothing", "a full disk of some size"),
    "two_at_once": ("Several processes never lose an update", "a run committed by one of four processes"),
    "bit_flips": ("Damage is seen", "one flipped bit in a file of the workspace"),
    "cancel": ("Ctrl-C and SIGTERM leave no process behind", "a signal to a command at work"),
    "undo": ("Every edit can be taken back", "a random pipeline undone edit by edit, and restored"),
    "gc": ("gc removes nothing that a run stands on", "a random history of runs, undoings and restorings"),
    "honest_caching": ("Nothing stale, nothing computed for nothing", "an edit of settings, data or seed"),
    "honest_caching_code": ("An edited stage never serves an old result", "an edit of the code"),
    "hostile_input": ("Bad input is refused in one line or read as far as it goes", "a hostile input"),
    "giant_line": ("A giant line takes bounded memory", "a CSV of one line"),
    "recipe_typos": ("Every mistake of a recipe is told, with its line", "a recipe with mistakes"),
    "text_survives": ("Text stays text", "a cell on its way in and out"),
    "report_inert": ("A report runs nothing that is in the data", "a payload at a place, in a browser"),
    "report_size": ("A report stays below 5 MB", "100,000 rows"),
    "review_round_trip": ("Texts survive review", "a table through review export and import"),
    "export_round_trip": ("An export reads back as the same rows", "a dataset through a reader"),
    "prefect_crash": ("A killed flow is marked, and the next one finishes its work", "kill -9 of a flow"),
    "secrets": ("Secrets are in no log, file or database", "a place that was searched"),
    "command_line": ("Exit codes mean what they say", "a code, provoked with the real command"),
    "json_everywhere": ("Every command speaks JSON", "a command"),
}
VERSIONS = ("pyarrow", "pandas", "prefect", "torch", "datasets", "mlcroissant")
FILES = [
    "at_once", "cancel", "crash", "doors", "export", "faults", "hostile_input", "prefect_crash",
    "recipe_typos", "report_inert", "report_record", "rerun", "review", "secrets", "text_survives",
    "undo", "upkeep",
]  # fmt: skip


def measure(names: list[str]) -> dict:
    """Run the promises' tests, or those of the named files, in full and return what they recorded."""
    with tempfile.TemporaryDirectory() as folder:
        tests = [f"tests/test_{name}.py" for name in names or FILES]
        command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--timeout=3600", *tests]
        offline = os.geteuid() == 0 and shutil.which("unshare") is not None
        if offline:
            command = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        started = time.monotonic()
        done = subprocess.run(command, env={**os.environ, "ASSAY_PROMISES": folder}, cwd=HERE.parent)
        found = [json.loads(p.read_text("utf-8")) for p in sorted(Path(folder).glob("*.json"))]
    minutes = round((time.monotonic() - started) / 60)
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()
    lines = {f.pop("promise"): {**f, "commit": commit} for f in found}
    before = json.loads(JSON.read_text("utf-8")) if names else {"minutes": minutes, "promises": {}}
    lines = {**before["promises"], **lines}
    if set(lines) != set(PROMISES):
        sys.exit(f"recorded or promised, not both: {', '.join(sorted(set(lines) ^ set(PROMISES)))}")
    return {
        "command": "python benchmarks/promises.py", "minutes": before["minutes"],
        "passed": done.returncode == 0 and not any(line["failed"] for line in lines.values()),
        "networking": "loopback only" if offline else "not cut off",
        "cpu": cpu(), "cores": os.cpu_count(), "python": platform.python_version(),
        "versions": {name: version(name) for name in VERSIONS},
        "promises": lines,
    }  # fmt: skip


def cpu() -> str:
    """Return the processor's maker and family."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0].split(" @")[0] if names else platform.machine()


def at_most(n: int) -> str:
    """Return the largest failure rate that 0 failures in n trials leave possible, at 95 %.

    >>> at_most(59)
    '5.0 %'
    """
    return f"{100 * (1 - 0.05 ** (1 / n)):.{1 if n < 1000 else 2}f} %" if n > 1 else "–"


def page(figures: dict) -> str:
    """Return docs/promises.md."""
    rows: list[str] = []
    commits: dict[str, None] = {}
    for name, (promise, case) in PROMISES.items():
        found = dict(figures["promises"][name])
        passed, failed, commit = found.pop("passed"), found.pop("failed"), found.pop("commit")
        commits |= {commit: None}
        rest = "; ".join(f"{k.replace('_', ' ')} {_text(v)}" for k, v in found.items() if v not in ("", None))
        rate = at_most(passed) if not failed else f"{failed / (passed + failed):.1%}"
        rows.append(f"| {promise} | {case} | {passed:,} | {failed:,} | {rate} | {rest} |")
    versions = ", ".join(f"{name} {v}" for name, v in figures["versions"].items())
    return "\n".join([
        "# Promises", "",
        "Each line is a test that runs with the suite on a few cases, and here on all. With no failure in n",
        "cases, the last but one column says how large the failure rate may still be, at 95 %.", "",
        "| promise | a case is | passed | failed | failure rate at most | |",
        "| --- | --- | ---: | ---: | ---: | --- |", *rows, "",
        f"Made by `{figures['command']}` at commit {' and '.join(commits)} in {figures['minutes']} minutes;",
        f"networking: {figures['networking']}; {figures['cores']} cores of {figures['cpu']},",
        f"Python {figures['python']}, {versions}.", "",
    ])  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    if "--page" not in sys.argv:
        JSON.write_text(json.dumps(measure(sys.argv[1:]), indent=1, sort_keys=True) + "\n", "utf-8")
    figures_ = json.loads(JSON.read_text("utf-8"))
    PAGE.write_text(page(figures_), "utf-8")
    sys.exit(0 if figures_["passed"] else 1)
