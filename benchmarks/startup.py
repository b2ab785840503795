"""How long `assay --help` and `assay --version` take to open: the least of ten starts, in seconds.

python benchmarks/startup.py        on an idle machine; writes benchmarks/startup.json
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

JSON = Path(__file__).with_suffix(".json")
STARTS = 10


def least(*command: str) -> dict[str, float]:
    """Return the least wall and CPU seconds of ten starts; CPU time hardly depends on what else runs."""
    wall, cpu = [], []
    for _ in range(STARTS):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall.append(time.perf_counter() - started)
        cpu.append(used.ru_utime + used.ru_stime)
        if status:
            raise SystemExit(f"{' '.join(command)}: exit {status}")
    return {"wall_seconds": round(min(wall), 3), "cpu_seconds": round(min(cpu), 3)}


def main() -> None:
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assay = str(Path(sys.executable).parent / "assay")
    facts = {
        "command": "python benchmarks/startup.py",
        "starts": STARTS,
        "help": least(assay, "--help"),
        "version": least(assay, "--version"),
        "bare_python": least(sys.executable, "-c", ""),
        "commit": commit.stdout.strip(),
        "cpu": cpus[0].split(":")[1].strip() if cpus else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "typer": version("typer"),
    }
    JSON.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", "utf-8")
    print(json.dumps(facts, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
