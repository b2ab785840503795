"""Progress: long work says how far it is, and whoever shows it listens.

A side channel, kept out of every signature because it changes no result: without a listener it says nothing.

    for batch in counted("embeddings", batches, len(batches)): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int], None]  # what, done, total; done == total ends it


def nobody(what: str, done: int, total: int) -> None:
    """Listen and say nothing."""


_listener: ContextVar[Listener] = ContextVar("listener", default=nobody)


def listen(listener: Listener) -> None:
    """Tell `listener` of all progress in this context from now on."""
    _listener.set(listener)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell `listener` of the progress inside.

    >>> heard = []
    >>> with listening(lambda *said: heard.append(said)):
    ...     _ = list(counted("rows", "ab", 2))
    >>> heard
    [('rows', 0, 2), ('rows', 1, 2), ('rows', 2, 2)]
    """
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def advance(what: str, done: int, total: int) -> None:
    """Say that `done` of `total` of something long is done."""
    _listener.get()(what, done, total)


def counted(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    """Yield the items and say how many are done; each counts as done when the next is asked for."""
    if total > 0:
        advance(what, 0, total)
    for n, item in enumerate(items, 1):
        yield item
        advance(what, n, total)
