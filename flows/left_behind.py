"""Flow runs that a crash left behind in Prefect are marked Crashed at the next start on the same workspace.

Only runs of ours, only those whose process is gone, and only on the server that holds them. What they had
finished is in the store: the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.logging import get_logger, get_run_logger
from prefect.settings import get_current_settings
from prefect.states import Crashed

from flows.journal import Entry, begin, dead, end
from pipeline.masking import mask_logs, masked_errors

log = get_logger("assay")


@contextmanager
def our_run(workspace: Path) -> Iterator[Callable[[str], None]]:
    """Around a flow's work: mask what is logged and raised, mark dead runs, and be known to be alive.

    Gives the function that logs a line of this run. The run is known to be alive until `ended`, a hook of the
    flow, says that Prefect knows its end.
    """
    with masked_errors():
        mask_logs()
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:  # called as a plain function
            yield log.info
            return
        run = str(context.flow_run.id)
        mark_left_behind(workspace, but=run)
        begin(workspace, run, context.flow.name if context.flow else "", server_name())
        yield get_run_logger().info


def ended(flow: Any, run: Any, state: Any) -> None:
    """Forget a run whose end Prefect knows; a hook of our flows, for every kind of end."""
    end(str(run.id))


def mark_left_behind(workspace: Path, but: str = "") -> list[str]:
    """Mark the runs that died on this workspace as Crashed; returns their ids.

    but : the run that asks, which may have died once and been started again.

    A server that cannot be reached, or does not want to, stops nothing: the next start tries again.
    """
    marked: list[str] = []
    with dead(workspace) as entries:
        ours = [(e, path) for e, path in entries if e.api == server_name() and e.run != but]
        if not ours:
            return marked
        with get_client(sync_client=True) as client:
            for entry, path in ours:
                try:
                    if _mark(client, entry):
                        marked.append(entry.run)
                        log.warning("run %s died with its process %s: Crashed", entry.run, entry.pid)
                except (httpx.HTTPError, PrefectException) as error:
                    log.warning("run %s died, but cannot be marked Crashed: %s", entry.run, error)
                    continue
                path.unlink(missing_ok=True)
    return marked


def server_name() -> str:
    """Return which Prefect server is in use: its address, or the home of the one inside this process."""
    settings = get_current_settings()
    if not settings.api.url:
        return f"in {settings.home}"
    address = urlsplit(settings.api.url)
    host = "127.0.0.1" if address.hostname == "localhost" else address.hostname
    return f"{host}:{address.port or ''}"


def _mark(client: SyncPrefectClient, entry: Entry) -> bool:
    """Mark one run and its unfinished tasks; False when the server has forgotten the run or knows its end."""
    try:
        run = client.read_flow_run(UUID(entry.run))
    except ObjectNotFound:
        return False
    if run.state is not None and run.state.is_final():
        return False
    why = (
        f"process {entry.pid} on {entry.host}, begun {entry.began}, is gone; what it finished is in "
        f"{entry.workspace}, and the next run goes on from there"
    )
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    for task_run in client.read_task_runs(flow_run_filter=of_run):
        if task_run.state is None or not task_run.state.is_final():
            client.set_task_run_state(task_run.id, Crashed(message=why), force=True)
    client.set_flow_run_state(run.id, Crashed(message=why), force=True)
    return True
