"""The control of the report's inertness test: the same detector on a profile that ydata-profiling makes.

    python benchmarks/report_control.py [--venv FOLDER]

Makes a virtual environment of its own with ydata-profiling==4.18.4, profiles a small frame whose column name
and values are script elements, opens the page in headless Chromium with the detector of tests/browser.py, and
writes what happened to report_control.json beside this file. If nothing ran there, our detector would prove
nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

VERSION = "4.18.4"
SCRIPT = "<script>window.PWN=1</script>"
PROFILE = f"""
import sys, pandas, ydata_profiling
frame = pandas.DataFrame({{"{SCRIPT}": ["{SCRIPT}", "b", "c"] * 20, "n": range(60)}})
report = ydata_profiling.ProfileReport(frame, title="control", minimal=True, progress_bar=False)
report.to_file(sys.argv[1])
print(ydata_profiling.__version__)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, help="where the environment is or is to be made")
    with tempfile.TemporaryDirectory() as scratch:
        folder = parser.parse_args().venv or Path(scratch) / "venv"
        page = Path(scratch) / "profile.html"
        python = folder / "bin" / "python"
        if not python.exists():
            venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "-q", f"ydata-profiling=={VERSION}", "setuptools<81"]
        subprocess.run(install, check=True, stdout=sys.stderr)
        profile = [python, "-c", PROFILE, page]
        done = subprocess.run(profile, check=True, capture_output=True, text=True, cwd=scratch)
        told = look(page)
        facts = {
            "command": "python benchmarks/report_control.py", "ydata_profiling": done.stdout.split()[-1],
            "raw_occurrences": page.read_text("utf-8").count(SCRIPT), "executed": "script ran" in told["did"],
            "browser": told["browser"], "python": platform.python_version(),
        }  # fmt: skip
    (HERE / "report_control.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", "utf-8")
    print(json.dumps(facts, indent=1, sort_keys=True))


def look(page: Path) -> dict:
    from browser import Watched, browser

    with browser() as opened:
        return {"did": Watched(opened, bypass_csp=False).open(page), "browser": opened.version}


if __name__ == "__main__":
    main()
