"""Being told to stop: Ctrl-C and SIGTERM end a command within seconds, whatever it is doing.

The store stands a kill at any moment, so leaving hard loses nothing but the step in hand.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import NoReturn

from flows import bars

GRACE_SECONDS = 1.0
MESSAGES = {
    signal.SIGINT: "interrupted; the same command goes on where it stopped",
    signal.SIGTERM: "terminated; the same command goes on where it stopped",
}
_telling, _told = threading.Lock(), False


def stop_promptly() -> None:
    """Turn SIGTERM into an orderly exit, and leave hard when the orderly way takes more than GRACE_SECONDS.

    Python acts on a signal only between two of its own instructions, and then waits for its threads: a long
    native call stops neither. The kernel's side of a signal handler is not bound by that; it wakes a thread.
    """
    signal.signal(signal.SIGTERM, _terminate)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def tell(number: int) -> None:
    """Say what ended the command, once: the watching thread or the orderly end, whichever comes first."""
    global _told
    with _telling:
        if not _told:
            os.write(2, f"{MESSAGES[signal.Signals(number)]}\n".encode())
        _told = True


def _terminate(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def _watch(reader: int) -> None:
    number = 0
    while number not in MESSAGES:
        number = os.read(reader, 1)[0]
    closing = threading.Thread(target=bars.close, daemon=True)
    closing.start()
    closing.join(timeout=0.5)  # not for ever: the main thread may hold what it needs
    tell(number)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + number)
