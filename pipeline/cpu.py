"""What this machine's processor has, and how much of it is used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path


@contextmanager
def fixed_threads(n: int) -> Iterator[None]:
    """Let torch use `n` threads, afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def physical_cores() -> int:
    """Return how many cores this process may use, counting hyper-threads of one core once; at least 1."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in usable:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.is_file() else str(cpu))
    return max(len(cores), 1)


@lru_cache(maxsize=1)
def multiplies_bf16() -> bool:
    """Whether this CPU has instructions that multiply bf16; elsewhere it would be slower than fp32."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags.read_text().split()))
