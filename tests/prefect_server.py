"""A real Prefect server on a loopback port, with a home of its own, and what tests ask of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "WARNING",
         "PREFECT_SERVER_LOGGING_LEVEL": "ERROR", "PREFECT_CLI_PROMPT": "false",
         "PREFECT_LOGGING_TO_API_ENABLED": "false"}
CANARY = "canary-5f0c2d7e9ab14c63"  # stands for a secret; the server and what tests start hold it in HF_TOKEN
PREFECT = str(Path(sys.executable).parent / "prefect")


@dataclass(frozen=True)
class Server:
    """Where it is, what its processes' environment must hold, and where its database and log are."""

    api: str
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, **QUIET, "PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.api,
                "HF_TOKEN": CANARY}

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    def ask(self, what: str, **filters: object) -> list[dict]:
        """Return what a filter of the REST API finds: `ask("flow_runs", flow_runs={...})`."""
        body, kind = json.dumps(filters).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.api}/{what}/filter", body, kind)
        return json.loads(urllib.request.urlopen(request, timeout=10).read())

    def artifact(self, key: str) -> dict:
        """Return the newest artifact of this key."""
        found = self.ask("artifacts", artifacts={"key": {"any_": [key]}}, sort="CREATED_DESC")
        assert found, f"no artifact {key}"
        return found[0]

    def states(self) -> dict[str, str]:
        """Return the state of every flow run, by its id."""
        return {run["id"]: run["state_type"] for run in self.ask("flow_runs")}


@contextmanager
def running_server(home: Path, **env: str) -> Iterator[Server]:
    home.mkdir(parents=True, exist_ok=True)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}/api", home)
    start = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with server.log.open("w") as log:
        process = subprocess.Popen(start, env={**server.env, **env}, stdout=log, stderr=log,
                                   start_new_session=True)
    try:
        until(lambda: _healthy(server.api), 120, "the server to answer")
        yield server
    finally:
        end(process)


def end(*processes: subprocess.Popen | None) -> None:
    """Kill processes and all that they started; each must lead its own session."""
    for process in processes:
        if process:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(true, seconds: float, what: str, every: float = 0.2) -> None:
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if true():
            return
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s for {what}")


def _healthy(api: str) -> bool:
    try:
        return urllib.request.urlopen(f"{api}/health", timeout=2).status == 200
    except OSError:
        return False
