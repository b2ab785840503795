"""Bad input is refused in one line or read as far as it goes, never with a traceback, never for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import Case, every_case
from hostile.front_door import ASSAY, Worker, arguments, faults, in_a_process
from promises import count, record

CASES = every_case()
SAMPLE = CASES[:: len(CASES) // count(6, len(CASES))]


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def tally():
    """What was found for each case, recorded when all have been tried."""
    found: dict[str, list[str]] = {}
    yield found
    bad = [name for name, what in found.items() if what]
    record("hostile_input", len(found) - len(bad), len(bad), files=len(CASES), failed_cases=", ".join(bad))


def tried(case: Case, run, folder):
    data = case.make(folder)
    return faults(case, data, run(arguments(case, data), folder), folder)


def test_the_corpus_is_large():
    assert len(CASES) >= 120


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_input_is_refused_or_read_as_stated(case, worker, tmp_path, tally):
    tally[case.name] = tried(case, worker, tmp_path)
    assert not tally[case.name]


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_a_real_process_does_the_same(case, tmp_path, tally):
    tally[f"process: {case.name}"] = tried(case, in_a_process, tmp_path)
    assert not tally[f"process: {case.name}"]


def test_a_file_nobody_may_read_is_refused(tmp_path):
    """Tests may run as root, whom no permission stops; so the file is read as nobody."""
    if os.geteuid():
        pytest.skip("only root can become nobody")
    (tmp_path / "d.csv").write_text("text\na b c\n")
    (tmp_path / "d.csv").chmod(0)
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["d.csv: permission denied (check its permissions)"] * 2, done


AS_NOBODY = """
import os, sys
from pipeline.ingest import InputError, Source, ingest
from pipeline.ingest.folder import read_source
os.chdir(sys.argv[1])
os.setuid(65534)
for ask in (lambda source: ingest([source]), read_source):
    try:
        ask(Source("", "d.csv"))
    except InputError as error:
        print(error)
"""
PEAK = r"""
import re, runpy, sys
from pathlib import Path
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def peak_mb(asked: list[str], folder: Path) -> int:
    """Run a command that is refused and return the most memory it had."""
    code = f"import sys; sys.argv = {[ASSAY, *asked]!r}\n{PEAK}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 65, done.stderr
    return int(done.stdout)


def test_a_line_of_64_mb_is_refused_in_bounded_memory(tmp_path):
    """At most three times the file above a run on no file: its bytes, its text and its lines."""
    case = next(case for case in CASES if case.name == "csv: a single line of 64 MB after a header")
    asked = arguments(case, case.make(tmp_path))
    more = peak_mb(asked, tmp_path) - peak_mb([*asked[:-1], "none.csv"], tmp_path)
    record("giant_line", int(more < 3 * 64), int(more >= 3 * 64), file_mb=64, peak_mb_above_no_file=more)
    assert more < 3 * 64
