"""What a result was made with: versions, machine, method."""

from __future__ import annotations

import inspect
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("torch", "transformers", "scikit-learn", "cleanlab", "imbalanced-learn", "nlpaug", "pandas",
            "pyarrow", "numpy")  # fmt: skip


def versions(own: str) -> dict[str, str]:
    """Return the versions that made a result."""
    found = {"assay": own, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Return system, processor and cores."""
    return {"system": f"{platform.system()} {platform.machine()}", "cores": str(os.cpu_count() or 1)}


def methods(stages: Iterable[str]) -> list[dict[str, Any]]:
    """Return what each stage that ran does and how, from its docstring.

    >>> methods(["anomalies"])[0]["does"]
    'Rows far from every class and far from their neighbours, in embedding space.'
    """
    from pipeline.stage import stages as known

    out = []
    for name in dict.fromkeys(stages):
        if name in known():
            does, _, how = inspect.cleandoc(known()[name].__doc__ or "").partition("\n")
            out.append({"stage": name, "does": does, "how": how.strip()})
    return out
