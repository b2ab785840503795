"""The demo's data: BBC news as it is, or with stated, seeded faults, and a score of what was found of them.

Makers write the truth to another folder than the data; no stage or signal reads it.
"""

from __future__ import annotations

from pipeline.demo.bbc import make_bbc
from pipeline.demo.score import score

__all__ = ["make_bbc", "score"]
