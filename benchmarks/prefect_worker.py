"""The flows through a real Prefect server, work pool and worker, beside the plain run.

    python benchmarks/prefect_worker.py --recipe RECIPE [--only improve] [--keep FOLDER] [-o FILE]

Starts a server on a free loopback port with a home of its own, creates the process pool, deploys
prefect.yaml, starts a worker, triggers both deployments, waits for them, compares with `assay run`, and ends
every process it started. Prints one JSON object; exit code 1 when a run did not complete, a byte differs, or
a process is left.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
DEPLOYMENTS = {"curate": "assay-curate/curate", "improve": "assay-improve/improve"}
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
         "PREFECT_LOGGING_TO_API_ENABLED": "false", "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
         "PREFECT_CLI_PROMPT": "false", "PREFECT_CLI_COLORS": "false", "PREFECT_LOGGING_COLORS": "false"}


def main() -> int:
    parser = argparse.ArgumentParser(description="A recipe by a Prefect worker, and as a plain run.")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--only", choices=DEPLOYMENTS, help="run this deployment, not both")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave workspaces and logs here")
    parser.add_argument("-o", "--out", type=Path, help="where the JSON goes, too")
    asked = parser.parse_args()
    flows = [asked.only] if asked.only else [*DEPLOYMENTS]
    if asked.keep:
        asked.keep.mkdir(parents=True)
        facts = compare(asked.recipe.resolve(), asked.keep.resolve(), flows)
    else:
        with tempfile.TemporaryDirectory(prefix="assay-prefect-") as scratch:
            facts = compare(asked.recipe.resolve(), Path(scratch), flows)
    text = json.dumps(facts, indent=1, sort_keys=True)
    if asked.out:
        asked.out.write_text(text, "utf-8")
    print(text)
    return 0 if facts["completed"] and facts["same_bytes"] and not facts["processes_left"] else 1


def compare(recipe: Path, scratch: Path, flows: list[str]) -> dict:
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = {**os.environ, **QUIET, "PREFECT_HOME": str(scratch / "home"), "PREFECT_API_URL": api,
           "ASSAY_RECIPE": str(recipe), "ASSAY_WORKSPACE": str(scratch / "worker"), "PWD": str(ROOT)}
    marks, started = {}, time.monotonic()

    def lap(name: str) -> None:
        marks[name] = round(time.monotonic() - started, 1)

    def prefect(*arguments: str) -> str:
        return run([str(BIN / "prefect"), *arguments], env)

    stray: list[str] = []
    with ExitStack() as running:
        running.callback(lambda: stray.extend(kill_left(scratch)))  # the last to be called, in any case
        background(running, [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", port], env,
                   scratch / "server.log")
        until(lambda: answers(api), 120, scratch / "server.log")
        lap("server up")
        prefect("work-pool", "create", "assay", "--type", "process")
        prefect("deploy", "--all")
        lap("deployed")
        background(running, [BIN / "prefect", "worker", "start", "--pool", "assay", "--type", "process"], env,
                   scratch / "worker.log")
        states = {}
        for flow in flows:
            run_id = trigger(api, DEPLOYMENTS[flow])
            until(lambda: state(api, run_id) in FINAL, 540, scratch / "worker.log")  # noqa: B023
            states[flow] = state(api, run_id)
            lap(f"{flow} {states[flow].lower()}")
        lap("stopping")
    lap("all stopped")
    assay = [str(BIN / "assay"), "run", str(recipe), "-w", str(scratch / "plain"), "--quiet", "--json"]
    plain = json.loads(run(assay, env))
    lap("plain run done")
    snapshot = Path("datasets") / plain["curated"] / "shard-00000.parquet"  # what both flows leave
    same = [(scratch / side / snapshot).read_bytes() for side in ("worker", "plain")]
    return {"recipe": recipe.name, "states": states, "completed": set(states.values()) == {"COMPLETED"},
            "curated": plain["curated"], "same_bytes": same[0] == same[1], "seconds": marks,
            "processes_left": stray}


FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def trigger(api: str, deployment: str) -> str:
    """Create a run of a deployment and return its id."""
    known = ask(f"{api}/deployments/name/{deployment}")
    return ask(f"{api}/deployments/{known['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]


def state(api: str, run_id: str) -> str:
    return ask(f"{api}/flow_runs/{run_id}")["state_type"]


def ask(url: str, body: dict | None = None) -> dict:
    """Return the answer; a server that is busy with its database says 503 and is asked again for 30 s."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    patience = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as problem:
            if problem.code != 503 or time.monotonic() > patience:
                raise
        time.sleep(0.5)


def answers(api: str) -> bool:
    try:
        return urllib.request.urlopen(f"{api}/health", timeout=2).status == 200
    except OSError:
        return False


def run(command: list[str], env: dict[str, str]) -> str:
    """Run a command and return its stdout; its stderr is shown when it fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def background(running: ExitStack, command: list, env: dict[str, str], log: Path) -> None:
    """Start a process in a session of its own; the stack ends the session, first kindly, then for good."""
    with log.open("w") as file:
        process = subprocess.Popen([str(c) for c in command], cwd=ROOT, env=env, stdout=file, stderr=file,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    running.callback(end, process)


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        print(f"pid {process.pid} did not stop when asked to; killed", file=sys.stderr)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it may have left
    process.wait()


def kill_left(scratch: Path) -> list[str]:
    """Kill the processes that have our scratch folder in their environment; returns their command lines."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"PREFECT_HOME={scratch}/home".encode() in (place / "environ").read_bytes()
            if ours and int(place.name) != os.getpid():
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                os.kill(int(place.name), signal.SIGKILL)
        except OSError:  # gone meanwhile, or not ours to read
            continue
    return found


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(true, seconds: float, log: Path) -> None:
    stop = time.monotonic() + seconds
    while not true():
        if time.monotonic() > stop:
            raise SystemExit(f"waited {seconds:.0f} s; the log ends:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
