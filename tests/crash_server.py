"""Imported by the server that `crash_job` takes its children from: a job done here loads all they need."""

from __future__ import annotations

import tempfile
from pathlib import Path

from crash_job import run_job, write_rows

with tempfile.TemporaryDirectory() as folder:
    run_job(write_rows(Path(folder), seeds=1), Path(folder) / "w")
