"""Device, cores, memory and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from flows.doctor import Check
from flows.doctor.packages import installed
from flows.doctor.workspace import nearest

AREA = "machine"
GIB = 1 << 30
MEMORY_GIB, DISK_GIB, DISK_LEAST_GIB = 2.0, 2.0, 0.1  # the demo peaks below 2 GiB and leaves under 1 GiB


def machine(workspace: Path) -> Iterator[Check]:
    """Yield what there is to compute with."""
    yield _device()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check(AREA, "cores", "ok", f"{cores} usable of {os.cpu_count()}")
    yield _memory()
    yield _disk(workspace)


def _device() -> Check:
    if installed("torch") is None:
        return Check(
            AREA, "device", "warn", "no torch: text cannot be embedded", 'run: pip install "assay[text]"'
        )
    try:
        import torch
    except (ImportError, OSError) as error:
        why = (str(error) or repr(error)).splitlines()[0]
        return Check(
            AREA, "device", "fail", f"torch cannot be loaded: {why}", 'run: pip install "assay[text]"'
        )
    build = f"CUDA {torch.version.cuda} build" if torch.version.cuda else "CPU build"
    if torch.cuda.is_available():
        seen = torch.cuda.get_device_properties(0)
        name = f"cuda: {seen.name}, {seen.total_memory / GIB:.0f} GiB"
        return Check(AREA, "device", "ok", f"{name} (torch {torch.__version__}, {build})")
    other = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return Check(AREA, "device", "ok", f"{other or 'cpu'} (torch {torch.__version__}, {build})")


def _memory() -> Check:
    """Return the memory that is free, as /proc and the control group say."""
    free = _available_bytes()
    if free is None:
        return Check(AREA, "memory", "warn", "unknown on this system", "have 2 GiB free")
    if free < MEMORY_GIB * GIB:
        return Check(
            AREA, "memory", "warn", f"{free / GIB:.1f} GiB free", "have 2 GiB free, or use fewer workers"
        )
    return Check(AREA, "memory", "ok", f"{free / GIB:.1f} GiB free")


def _available_bytes() -> int | None:
    found = []
    info = Path("/proc/meminfo")
    if info.is_file():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()).isdigit():
        found.append(max(int(most) - int(used.read_text()), 0))
    return min(found, default=None)


def _disk(workspace: Path) -> Check:
    try:
        free = shutil.disk_usage(nearest(workspace)).free
    except OSError as error:
        return Check(AREA, "disk", "fail", f"{workspace}: {error.strerror}", "name another workspace with -w")
    said = f"{free / GIB:.1f} GiB free where the workspace is"
    if free < DISK_LEAST_GIB * GIB:
        return Check(AREA, "disk", "fail", said, "free some space, or name another workspace with -w")
    if free < DISK_GIB * GIB:
        return Check(AREA, "disk", "warn", said, "have 2 GiB free")
    return Check(AREA, "disk", "ok", said)
