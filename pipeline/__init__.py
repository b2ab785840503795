"""Assay's data logic.

In Python, two lines:

    import pipeline as assay
    assay.audit(frame, label="y", pred_probs=probabilities).report("report.html")
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["audit"]


def __getattr__(name: str) -> Any:
    """Import `audit` when it is first asked for, so that `import pipeline` stays light."""
    if name == "audit":
        from pipeline.auditing import audit

        return audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
