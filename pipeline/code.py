"""Digest of source code: part of every cache key, so that an edited stage never serves an old result."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

# What every stage and signal stands on; a change here recomputes everything.
CORE = (
    "pipeline.dataset",
    "pipeline.hashing",
    "pipeline.findings",
    "pipeline.stage",
    "pipeline.apply",
    "pipeline.given",
    "pipeline.label_types",
    "pipeline.labels",
    "pipeline.signals.engine",
)


def code_digest(*modules: str) -> str:
    """Return 16 hex digits over the source of these modules (whole folders for packages) and of the core.

    >>> code_digest("pipeline.findings") == code_digest("pipeline.findings")
    True
    """
    h = hashlib.sha256()
    for module, digest in code_parts(*modules).items():
        h.update(f"{module}\0{digest}".encode())
    return h.hexdigest()[:16]


def code_parts(*modules: str) -> dict[str, str]:
    """Return the digest of each of these modules and of the core, by name."""
    return {module: _module_digest(module) for module in sorted({*modules, *CORE})}


@cache
def _module_digest(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no source for module {module!r}")
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    return hashlib.sha256(b"\0".join(f.read_bytes() for f in files)).hexdigest()
