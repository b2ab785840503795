"""Bad input is refused in one line or read as far as it goes, never with a traceback, never for ever."""

from __future__ import annotations

import pytest
from hostile import Case, every_case
from hostile.front_door import Worker, arguments, faults, in_a_process
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
