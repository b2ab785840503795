"""The room that training runs in: its own randomness, a fixed number of threads, no noise on the terminal."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def training_room(seed: int) -> Iterator[None]:
    """Seed every global generator, fix torch's threads, hush transformers; put all of it back afterwards.

    The number of threads is that of the cores this process may use, or OMP_NUM_THREADS where it is set: sums
    depend on it in their last bits.
    """
    import torch
    import transformers

    hf_logging: Any = transformers.utils.logging
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - the Trainer uses them
    threads, level, bars = (
        torch.get_num_threads(),
        hf_logging.get_verbosity(),
        hf_logging.is_progress_bar_enabled(),
    )
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))))
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    transformers.set_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
        torch.set_num_threads(threads)
        hf_logging.set_verbosity(level)
        if bars:
            hf_logging.enable_progress_bar()


def has_bf16() -> bool:
    """Return whether bf16 is fast here: an accelerator with it, or AVX-512 BF16 or AMX in the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    if torch.accelerator.is_available():
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
