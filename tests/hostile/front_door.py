"""Two ways through the front door, in one worker process or in a process of its own, and the verdict."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from hostile import Case

SECONDS = 10  # of processor time; on the clock of the wall six times as long, since other tests run
ASSAY = str(Path(sys.executable).parent / "assay")
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Outcome:
    """What a shell would see."""

    code: int
    out: str
    err: str
    seconds: float


def arguments(case: Case, data: str) -> list[str]:
    """Return the command line of a case."""
    options = [o for o in case.options if o != "--default-out"]
    out = [] if "--default-out" in case.options else ["-o", "out"]
    return (
        [case.command, *out, "-w", "w", "--workers", "1", *options, "--", data]
        if case.command == "clean"
        else [case.command, "-w", "w", *options, "--", data]
    )


class Worker:
    """A process that takes one command line after another; started again when one kills it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, asked: list[str], folder: Path) -> Outcome:
        if self.process is None or self.process.poll() is not None:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE.parent)]),
            }
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
        assert self.process.stdin and self.process.stdout
        ask = {"arguments": asked, "folder": str(folder), "seconds": SECONDS}
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return (
            Outcome(**json.loads(answer))
            if answer
            else Outcome(self.process.wait(), "", "the process died", 0.0)
        )

    def close(self) -> None:
        if self.process and self.process.stdin:
            self.process.stdin.close()
            self.process.wait(10)


def in_a_process(asked: list[str], folder: Path) -> Outcome:
    """Run the command as a shell does."""
    started = _children_seconds()
    try:
        done = subprocess.run(
            [ASSAY, *map(os.fsencode, asked)],
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=6 * SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Outcome(-1, "", "it hangs", 6.0 * SECONDS)
    out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return Outcome(done.returncode, out, err, _children_seconds() - started)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def faults(case: Case, data: str, seen: Outcome, folder: Path) -> list[str]:
    """Return what was not as the case states, in words; empty when all was."""
    found = []
    if "Traceback" in seen.err + seen.out or "the process died" in seen.err:
        found.append(f"a traceback: {seen.err[-1500:]}")
    if seen.seconds > SECONDS:
        found.append(f"took {seen.seconds:.0f} s")
    errors = [line for line in seen.err.splitlines() if line.startswith("error: ")]
    if case.code and not (case.either and seen.code == 0):
        found += _refusal(case, data, seen, errors)
    elif seen.code or errors:
        found.append(f"exit {seen.code}, should be read: {seen.err[-600:]}")
    else:
        found += _reading(case, folder)
    return found


def _refusal(case: Case, data: str, seen: Outcome, errors: list[str]) -> list[str]:
    found = [] if seen.code == case.code else [f"exit {seen.code}, not {case.code}: {seen.err[-600:]}"]
    lines = [line for line in seen.err.splitlines() if not line.startswith("[")]
    if len(errors) != case.errors or lines != errors:
        found.append(f"{len(errors)} error lines of {len(lines)}: {lines[-6:]}")
    whole = "\n".join(errors)
    found += [f"{word!r} not in {whole!r}" for word in case.says if word not in whole]
    if any(len(line) > 1_000 for line in errors):
        found.append("an error line of more than 1,000 characters")
    name = Path(data).name
    plain = case.command == "clean" and len(data) < 250 and name.isascii() and name.isprintable()
    if case.code == 65 and plain and name not in whole:
        found.append(f"the error does not name {name!r}: {whole}")
    if case.code == 65 and "(" not in whole:
        found.append(f"the error does not say what to do: {whole}")
    if any(not c.isprintable() for c in whole if c not in "\n\u200d"):
        found.append(f"the error holds control characters: {whole!r}")
    return [*found, *(["something on stdout"] if seen.out else [])]


def _reading(case: Case, folder: Path) -> list[str]:
    [out] = [folder / "out"] if (folder / "out").exists() else list((folder / "assay-out").iterdir())
    table = pq.read_table(out / "dataset.parquet")
    found = []
    if case.texts is not None:
        texts = sorted(table["text"].to_pylist())
        if tuple(texts) != case.texts:
            found.append(f"texts {str(texts)[:300]}, not {str(case.texts)[:300]}")
    if case.rows is not None and table.num_rows != case.rows:
        found.append(f"{table.num_rows} rows, not {case.rows}")
    kept = out / "quarantine.parquet"
    lines = tuple(pq.read_table(kept)["line"].to_pylist()) if kept.exists() else ()
    if lines != case.lines:
        found.append(f"lines {str(lines)[:200]} in quarantine, not {str(case.lines)[:200]}")
    return found
