"""Run the demo in a new workspace and write its figures to demo.json; put them into the README.

From the repository's root:

    python benchmarks/demo.py            about 10 minutes on two cores
    python benchmarks/demo.py --keep     leave the workspace, to look at its reports
    python benchmarks/demo.py --readme   only rewrite the README from demo.json
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
JSON, README = HERE / "demo.json", HERE.parent / "README.md"
BEGIN, END = "<!-- demo.json: begin -->", "<!-- demo.json: end -->"


def measure() -> dict:
    workspace = tempfile.mkdtemp(prefix="assay-demo-")
    command = [str(Path(sys.executable).parent / "assay"), "demo", "--json", "-w", workspace]
    started = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    again = time.monotonic() - started
    out = json.loads(done.stdout)
    if "--keep" in sys.argv:
        print(f"kept {workspace}", file=sys.stderr)
    else:
        shutil.rmtree(workspace)
    figures = {"wall_seconds": round(seconds), "cpu_seconds": round(used.ru_utime + used.ru_stime),
               "peak_gib": round(used.ru_maxrss / 2**20, 1), "second_run_seconds": round(again, 1),
               "variants": {}}
    for name, variant in out["variants"].items():
        final = variant["evaluation"]
        figures["variants"][name] = {
            "planted": variant["planted"],
            "comparisons": final["comparisons"],
            "raw": {k: final["raw"]["metrics"][k] for k in ("macro_f1", "accuracy")},
            "curated": {k: final["curated"]["metrics"][k] for k in ("macro_f1", "accuracy")},
        }
    return figures


def table(figures: dict) -> str:
    """Return the README's block: found against planted, raw against curated."""
    lines = ["| fault in the data | planted | found | precision | recall | average precision |",
             "| --- | --- | --- | --- | --- | --- |"]
    for variant, values in figures["variants"].items():
        for p in values["planted"]:
            keys = ("planted", "found", "precision", "recall", "average_precision")
            numbers = [_cell(p.get(k)) for k in keys]
            lines.append(f"| {p['fault']} ({variant}) | " + " | ".join(numbers) + " |")
    lines += ["", "| test split | raw macro-F1 | curated macro-F1 | curated − raw, points [95 % interval] "
              "| verdict | method |", "| --- | --- | --- | --- | --- | --- |"]
    for variant, values in figures["variants"].items():
        for c in values["comparisons"]:
            effect = f"{100 * c['difference']:+.1f} [{100 * c['low']:+.1f}, {100 * c['high']:+.1f}]"
            runs = f"{c['method']}, {c['replicates']} run{'s' if c['replicates'] > 1 else ''} a side"
            lines.append(f"| {variant} | {c['raw']:.3f} | {c['curated']:.3f} | {effect} "
                         f"| {c['verdict']} | {runs} |")
    lines += ["", f"Measured by `python benchmarks/demo.py`: {figures['wall_seconds']} s, "
              f"{figures['peak_gib']} GiB, {figures['machine']}; the same command again: "
              f"{figures['second_run_seconds']} s, nothing computed."]
    return "\n".join(lines)


def write_readme(figures: dict) -> None:
    text = README.read_text("utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}", "utf-8")


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.processor()}"


def main() -> None:
    if "--readme" not in sys.argv:
        figures = measure()
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True,
                                text=True, check=True)
        from pipeline import __version__
        from pipeline.report.environment import versions

        figures |= {"command": "python benchmarks/demo.py", "commit": commit.stdout.strip(),
                    "machine": _machine(), "versions": versions(__version__)}
        JSON.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", "utf-8")
    write_readme(json.loads(JSON.read_text("utf-8")))


if __name__ == "__main__":
    main()
