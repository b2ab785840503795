"""What native writers say of a failing disk, said the way Python says it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.files import full_disk


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an error of safetensors that the system gave a number into an `OSError` that names the folder.

    safetensors is written in Rust: it raises its own exception, with "(os error 28)" at the end of its text.
    """
    try:
        yield
    except Exception as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if not number or isinstance(error, OSError):
            raise
        known = int(number[1])
        raise full_disk(OSError(known, os.strerror(known), str(folder)), folder) from error
