"""The command line called in this process: the same code from the entry on, without a new interpreter."""

from __future__ import annotations

import signal
import sys

from flows.cli import app
from flows.manners import guarded


def assay(capsys, *arguments):
    """Return exit code, stdout and stderr of `assay ARGUMENTS`; a bug is raised."""
    capsys.readouterr()
    before, argv = signal.getsignal(signal.SIGTERM), sys.argv
    sys.argv = ["assay", *map(str, arguments)]
    try:
        guarded(app)
    except SystemExit as exit_:
        code = exit_.code
    finally:
        sys.argv = argv
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    return code, said.out, said.err
