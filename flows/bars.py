"""What a person sees while something long runs: bars on a terminal, a few plain lines elsewhere.

Everything goes to stderr; stdout holds the result and nothing else.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

EVERY_SECONDS = 2.0  # a plain line at most this often, however fast the tenths go by


class Silent:
    """`--quiet`: nothing. Called with a line, told of progress, closed at the end; so are the others."""

    def __call__(self, line: str) -> None:
        """Show a line."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Show how far something is."""

    def close(self) -> None:
        """Leave the screen as it should stay."""


class Lines(Silent):
    """Plain lines with the seconds since the start; of progress, at most one for each tenth."""

    def __init__(self, every_seconds: float = EVERY_SECONDS) -> None:
        self.every_seconds = every_seconds
        self._started = time.monotonic()
        self._shown: dict[str, tuple[float, int]] = {}  # what -> when it was last shown, and the tenth

    def __call__(self, line: str) -> None:
        """Show a line."""
        sys.stderr.write(f"{self.stamp()} {printable(line)}\n")
        sys.stderr.flush()

    def stamp(self) -> str:
        """Return the seconds since the start."""
        return f"[{time.monotonic() - self._started:5.1f}s]"

    def advance(self, what: str, done: int, total: int) -> None:
        """Show a line when a tenth has gone by; what is over before one is due is not shown at all."""
        now, tenth = time.monotonic(), 10 * done // max(total, 1)
        when, last = self._shown.setdefault(what, (now, 0))
        if done >= total:
            del self._shown[what]
        elif tenth > last and now - when >= self.every_seconds:
            self._shown[what] = (now, tenth)
            self(f"{what}: {10 * tenth} % ({done:,} of {total:,})")


class Bars(Lines):
    """Bars under the lines, drawn by rich; gone without a trace when they are done."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._closing = threading.RLock()  # Ctrl-C closes from a thread of its own
        self._closed = False

    def __call__(self, line: str) -> None:
        """Show a line above the bars."""
        drawn = self._drawn
        if drawn is None:
            super().__call__(line)
        else:
            drawn.console.print(
                f"{self.stamp()} {printable(line)}", markup=False, highlight=False, soft_wrap=True
            )

    def advance(self, what: str, done: int, total: int) -> None:
        """Draw, move or take away a bar."""
        with self._closing:
            if self._closed:
                return
            bars = self._drawn or self._draw()
            if what not in self._tasks:
                self._tasks[what] = bars.add_task(what, total=total)
            if done >= total:
                bars.remove_task(self._tasks.pop(what))
            else:
                bars.update(self._tasks[what], completed=done, total=total)

    def close(self) -> None:
        """Take all bars away for good and show the cursor again."""
        with self._closing:
            self._closed = True
            if self._drawn is not None:
                self._drawn.stop()
                self._drawn = None

    def _draw(self) -> RichProgress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
                   TimeRemainingColumn())  # fmt: skip
        # stdout is not redirected: it holds the result
        self._drawn = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False,
                               redirect_stderr=False)  # fmt: skip
        self._drawn.start()
        return self._drawn


_shown = Silent()


def show(quiet: bool) -> Silent:
    """Show progress from now on in the way that suits the options and the terminal, and return that."""
    global _shown
    from pipeline.progress import listen

    _shown = Silent() if quiet else Bars() if terminal() else Lines()
    listen(_shown.advance)
    return _shown


def close() -> None:
    """Leave the screen as it should stay: called before a result, an error, and when told to stop."""
    _shown.close()


def printable(line: str) -> str:
    """Return the line with secrets masked, and by name what would break it or move the cursor."""
    from pipeline.masking import mask

    line = mask(line)
    if line.isprintable():
        return line
    from pipeline.report.visible import visible

    return visible(line)


def terminal() -> bool:
    """Return whether stderr is a terminal that may be drawn on: NO_COLOR, TERM=dumb and CI say no."""
    environ = os.environ
    plain = environ.get("NO_COLOR") or environ.get("TERM", "dumb") in ("dumb", "unknown", "")
    return sys.stderr.isatty() and not plain and environ.get("CI", "").lower() in ("", "0", "false")
