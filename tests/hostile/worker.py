"""The command `assay` called over and over in one process: a request and an answer a line, both JSON.

What a call changes in the process is put back: folder, arguments, streams. A call may take so many seconds of
processor time; one alarm ends it then, another when it hangs without working.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import time
import traceback
from typing import Any

HANGS = 6  # times the seconds, on the clock of the wall: other tests run beside this one


class TooSlow(BaseException):
    """The call took longer than it may; no `except Exception` swallows it."""


def stop(*_: object) -> None:
    raise TooSlow


def call(arguments: list[str], folder: str, seconds: int) -> dict[str, Any]:
    """Run the front door as `main` does and return what a shell would see."""
    from flows.cli import app
    from flows.manners import guarded

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace") for _ in range(2))
    sys.argv = ["assay", *arguments]
    os.chdir(folder)
    started, code = time.process_time(), -1
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(HANGS * seconds)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            guarded(app)
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 0
    except BaseException:
        err.write(traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    used = time.process_time() - started
    return {"code": code, "out": written(out), "err": written(err), "seconds": used}


def written(stream: io.TextIOWrapper) -> str:
    """Return what was written to a stream, as UTF-8."""
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGPROF, stop)
    for line in sys.stdin:
        answer = json.dumps(call(**json.loads(line)))
        sys.__stdout__.write(answer + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
