"""Blocks of an image network: freezing all but the last, keeping what is frozen as it is, and caching it.

A network is read as units in the order in which they are registered, which in the classifiers of
`transformers` is the order in which they run: what comes before the blocks, the blocks (those of all stages
in a row), and what comes after them. Whoever registers in another order is found out by comparing logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from finetune.refused import Refused
from pipeline.progress import counted

if TYPE_CHECKING:
    import torch

INNER = ("layers", "blocks")  # what a stage calls the list of its blocks
CACHE_BYTES = 4 * 2**30  # larger caches are not made: plain freezing is used
CACHE_ROWS = 32  # rows of one pass through the frozen blocks


class Unit(NamedTuple):
    """A part of the network: `parent._modules[name]`."""

    parent: torch.nn.Module
    name: str
    module: torch.nn.Module
    is_block: bool


def freeze_blocks(model: Any, layers: int) -> tuple[list[Unit], int]:
    """Freeze all but the last `layers` blocks, what comes after them, and the head.

    Returns the frozen units and how many of them are blocks. Raises `ValueError` when there are no blocks.
    """
    units = units_of(model.base_model)
    places = [i for i, unit in enumerate(units) if unit.is_block]
    if not places:
        raise Refused(f"{type(model).__name__}: cannot tell its blocks apart; use method full")
    first = places[max(0, len(places) - layers)]
    trained = {id(p) for unit in units[first:] for p in unit.module.parameters()}
    for p in model.base_model.parameters():
        p.requires_grad = id(p) in trained
    return units[:first], sum(unit.is_block for unit in units[:first])


def units_of(base: torch.nn.Module) -> list[Unit]:
    """Return the network's units in the order in which they are registered."""
    blocks = {id(block) for block in _blocks(base)}

    def walk(module: torch.nn.Module) -> Iterator[Unit]:
        for name, child in module.named_children():
            if id(child) in blocks:
                yield Unit(module, name, child, True)
            elif any(id(part) in blocks for part in child.modules()):
                yield from walk(child)
            else:
                yield Unit(module, name, child, False)

    return list(walk(base))


def hold(model: torch.nn.Module, modules: Iterable[torch.nn.Module]) -> None:
    """Keep modules in `eval()` whenever the model runs: no dropout, no new batch statistics."""
    held = [part for module in modules for part in module.modules()]

    def before(*_: Any) -> None:
        for part in held:
            part.training = False

    model.register_forward_pre_hook(before)


def batch_norms(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the layers that keep statistics of the batches they see."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


@contextmanager
def without_units(units: Sequence[Unit]) -> Iterator[None]:
    """Take units out: inside, what they are given passes through."""
    import torch

    class Passed(torch.nn.Module):
        """Gives back what it is handed. Asked for anything else, it answers for the part it stands in for."""

        def __init__(self, part: torch.nn.Module) -> None:
            super().__init__()
            self.__dict__["part"] = part  # not a module of this one: its weights are out

        def __getattr__(self, name: str) -> Any:
            return getattr(self.__dict__["part"], name)

        def forward(self, given: Any, *_: Any, **__: Any) -> Any:
            return given

    try:
        for unit in units:
            unit.parent._modules[unit.name] = Passed(unit.module)
        yield
    finally:
        for unit in units:
            unit.parent._modules[unit.name] = unit.module


def frozen_output(
    model: Any, units: Sequence[Unit], given: Callable[[int, int], torch.Tensor], n_rows: int, file: Path,
    bf16: bool,
) -> np.memmap | None:
    """Write what the first trained block is given for each row, (n, ...) float32; None if it is too much.

    given : (start, end) -> pixels of these rows.
    """
    import torch

    every = units_of(model.base_model)
    reached = every[len(units)].module
    device, states = model.device, None

    class Reached(Exception):
        """The rest of the network is not run."""

    def stop(module: Any, args: tuple[Any, ...]) -> None:
        found.append(args[0])
        raise Reached

    model.eval()
    hook = reached.register_forward_pre_hook(stop)
    try:
        starts = range(0, n_rows, CACHE_ROWS)
        for start in counted("frozen blocks", starts, len(starts)):
            end, found = min(start + CACHE_ROWS, n_rows), list[Any]()
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                try:
                    model(given(start, end).to(device))
                except Reached:
                    out = found[0].float().cpu().numpy()
            if states is None:
                shape = (n_rows, *out.shape[1:])
                if int(np.prod(shape, dtype=np.int64)) * 4 > CACHE_BYTES:
                    return None
                states = np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
            states[start:end] = out
    finally:
        hook.remove()
    return states


def _blocks(base: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the blocks of the largest outermost list of modules, those of its stages in a row."""
    from torch.nn import ModuleList, Sequential

    lists = [module for module in base.modules() if isinstance(module, ModuleList) and len(module)]
    inside = {id(part) for one in lists for part in one.modules() if part is not one}
    outer = [one for one in lists if id(one) not in inside]
    if not outer:
        return []
    largest = max(outer, key=lambda one: sum(p.numel() for p in one.parameters()))
    out: list[torch.nn.Module] = []
    for element in largest:
        inner = next((getattr(element, n) for n in INNER if hasattr(element, n)), None)
        out += list(inner) if isinstance(inner, ModuleList | Sequential) else [element]
    return out
