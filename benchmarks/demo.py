"""Run the demo in a new workspace and write its figures to JSON; put them into the README or the guide.

From the repository's root:

    python benchmarks/demo.py                  the demo on text: demo.json, about 10 minutes on two cores
    python benchmarks/demo.py image            that of another modality: demo_image.json; also tabular, sft
    python benchmarks/demo.py image --keep     leave the workspace, to look at its reports
    python benchmarks/demo.py --page           only rewrite the pages from the JSON files
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
ROOT = HERE.parent
OTHERS = ROOT / "docs" / "modalities.md"
PAGES = {"text": ROOT / "README.md", "image": OTHERS, "tabular": OTHERS, "sft": OTHERS}


def json_of(modality: str) -> Path:
    return HERE / ("demo.json" if modality == "text" else f"demo_{modality}.json")


def marks(modality: str) -> tuple[str, str]:
    return tuple(f"<!-- {json_of(modality).name}: {end} -->" for end in ("begin", "end"))


def measure(modality: str) -> dict:
    workspace = tempfile.mkdtemp(prefix="assay-demo-")
    command = [str(Path(sys.executable).parent / "assay"), "demo", "--json", "-w", workspace]
    command += [] if modality == "text" else ["--modality", modality]
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
        figures["variants"][name] = {"planted": variant["planted"], "comparisons": final["comparisons"],
                                     "split": final["split"]}
    return figures


def table(figures: dict) -> str:
    """Return a page's block: found against planted, raw against curated."""
    lines = ["| fault in the data | planted | found | precision | recall | average precision |",
             "| --- | --- | --- | --- | --- | --- |"]
    for variant, values in figures["variants"].items():
        for p in values["planted"]:
            keys = ("planted", "found", "precision", "recall", "average_precision")
            numbers = [_cell(p.get(k)) for k in keys]
            lines.append(f"| {p['fault']} ({variant}) | " + " | ".join(numbers) + " |")
    lines += ["", *_comparisons(figures), "", f"Measured by `{figures['command']}`: "
              f"{figures['wall_seconds']} s, {figures['peak_gib']} GiB, {figures['machine']}; "
              f"the same command again: {figures['second_run_seconds']} s, nothing computed."]
    return "\n".join(lines)


def _comparisons(figures: dict) -> list[str]:
    """In points of a share, or in the unit of a loss."""
    first = next(iter(figures["variants"].values()))["comparisons"][0]["metric"]
    loss = first.startswith("loss")
    name, unit, times = (first.replace("_", " "), "nats", 1) if loss else ("macro-F1", "points", 100)
    lines = [f"| test split | raw {name} | curated {name} | curated − raw, {unit} [95 % interval] "
             "| verdict | method |", "| --- | --- | --- | --- | --- | --- |"]
    digits = 3 if loss else 1
    for variant, values in figures["variants"].items():
        for c in values["comparisons"]:
            one, low, high = (f"{times * c[k]:+.{digits}f}" for k in ("difference", "low", "high"))
            runs = f"{c['method']}, {c['replicates']} run{'s' if c['replicates'] > 1 else ''} a side"
            lines.append(f"| {variant} | {c['raw']:.3f} | {c['curated']:.3f} | {one} [{low}, {high}] "
                         f"| {c['verdict']} | {runs} |")
    return lines


def write_page(modality: str) -> None:
    page, (begin, end) = PAGES[modality], marks(modality)
    if not json_of(modality).exists():
        return
    text = page.read_text("utf-8")
    before, after = text.split(begin)[0], text.split(end)[1]
    block = table(json.loads(json_of(modality).read_text("utf-8")))
    page.write_text(f"{before}{begin}\n{block}\n{end}{after}", "utf-8")


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.processor()}"


def main() -> None:
    named = [name for name in sys.argv[1:] if not name.startswith("--")]
    if "--page" in sys.argv:
        for modality in PAGES:
            write_page(modality)
        return
    modality = named[0] if named else "text"
    figures = measure(modality)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
                            check=True)
    from pipeline import __version__
    from pipeline.report.environment import versions

    command = " ".join(["python benchmarks/demo.py", *([modality] if modality != "text" else [])])
    figures |= {"command": command, "commit": commit.stdout.strip(), "machine": _machine(),
                "versions": versions(__version__)}
    json_of(modality).write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", "utf-8")
    write_page(modality)


if __name__ == "__main__":
    main()
