"""Export: a dataset as others read it, a Hugging Face folder or a Croissant description of Parquet files."""

from __future__ import annotations

from pipeline.export.about import About
from pipeline.export.croissant import describe_files
from pipeline.export.folder import Exported, export_hf
from pipeline.export.origin import Origin, of_run, of_snapshot

__all__ = [
    "About",
    "Exported",
    "Origin",
    "describe_files",
    "export_hf",
    "of_run",
    "of_snapshot",
]
