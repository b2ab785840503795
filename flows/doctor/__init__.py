"""`assay doctor`: is this machine ready, and if not, what to do. It tries for real and leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import typer

from flows.manners import DEFAULT_WORKSPACE, EXIT_CODES, result
from flows.options import Json, Workspace

Status = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One line: what was looked at, how it stands, what was found, and what to do unless it is `ok`."""

    area: str
    name: str
    status: Status
    found: str
    do: str = ""


def register(app: typer.Typer) -> None:
    """Add `assay doctor`."""
    app.command()(doctor)


def doctor(workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """Check versions, extras, encoders, device, workspace and Prefect; exit 1 when something fails."""
    checks = list(examine(workspace))
    counted = {status: sum(c.status == status for c in checks) for status in ("ok", "warn", "fail")}
    facts = {"ready": not counted["fail"], "counts": counted, "checks": [c._asdict() for c in checks]}
    result(facts, as_json, as_table(checks))
    if counted["fail"]:
        raise typer.Exit(EXIT_CODES["checks failed"])


def examine(workspace: Path) -> Iterator[Check]:
    """Yield every check, one area after the other."""
    from flows.doctor.machine import machine
    from flows.doctor.packages import packages
    from flows.doctor.services import services
    from flows.doctor.workspace import workspace_checks

    yield from packages()
    yield from machine(workspace)
    yield from workspace_checks(workspace)
    yield from services()


def as_table(checks: list[Check]) -> str:
    """Return the checks as lines for people, an area a block.

    >>> print(as_table([Check("disk", "free", "warn", "1.0 GiB", "free some")]))
    disk
      warn  free  1.0 GiB -> free some
    <BLANKLINE>
    0 ok, 1 warn, 0 fail: ready
    """
    width, lines, area = max((len(c.name) for c in checks), default=0), [], ""
    for check in checks:
        if check.area != area:
            lines.append(check.area)
        area = check.area
        todo = f" -> {check.do}" if check.do else ""
        lines.append(f"  {check.status:4}  {check.name:{width}}  {check.found}{todo}")
    counted = ", ".join(f"{sum(c.status == s for c in checks)} {s}" for s in ("ok", "warn", "fail"))
    ready = "not ready" if any(c.status == "fail" for c in checks) else "ready"
    return "\n".join([*lines, "", f"{counted}: {ready}"])
