"""How hard an answer is to follow from its prompt: the IFD score, under a causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.modalities.sft.turns import Turn, answer_of, prompt_of
from pipeline.modalities.text.encoder import quiet_transformers
from pipeline.progress import advance
from pipeline.stage import Missing, NotApplicable


def difficulty(
    rows: Sequence[Sequence[Turn] | None], model: str | None, max_tokens: int = 512
) -> np.ndarray:
    """(n,) float64 IFD of each row's last answer: loss(answer | prompt) / loss(answer).

    Both are means of the cross entropy over the answer's tokens. Near 1 and above the prompt does not help;
    low values are easy rows. NaN where the prompt or the answer is empty, or where the prompt leaves the
    answer no room in `max_tokens`. Row by row and on the CPU, so that company changes no bit.
    Li et al., "From Quantity to Quality", NAACL 2024 (arXiv 2308.12032). Cost: two passes a row.

    model : a folder with a causal model and its tokenizer. Raises `NotApplicable` without one, `Missing`
    without torch or transformers.
    """
    if model is None or not Path(model).is_dir():
        raise NotApplicable(f"difficulty needs a folder with a causal language model, not {model!r}")
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise Missing(f'difficulty needs {error.name}: pip install "assay[text]"') from None
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
        network: Any = AutoModelForCausalLM.from_pretrained(
            model, local_files_only=True, use_safetensors=True, dtype=torch.float32)
    network.eval()
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    out = np.full(len(rows), np.nan)
    for i, row in enumerate(rows):
        prompt, answer = prompt_of(row), answer_of(row)
        advance("difficulty", i + 1, len(rows))
        if not (prompt.strip() and answer.strip()):
            continue
        first = [] if start is None else [start]
        asked = first + _ids(tokenizer, f"{prompt}\n\n")
        said = _ids(tokenizer, answer)[: max_tokens - len(asked)] if len(asked) < max_tokens else []
        alone = _loss(network, first or said[:1], said if first else said[1:])
        given = _loss(network, asked, said)
        out[i] = given / alone if alone and alone > 0 and given is not None else np.nan
    return out


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _loss(network: Any, before: list[int], tokens: list[int]) -> float | None:
    """Return the mean cross entropy of the tokens after those before; None where there are none."""
    import torch

    if not (before and tokens):
        return None
    ids = torch.tensor([[*before, *tokens]])
    with torch.inference_mode():
        logits = network(input_ids=ids).logits[0, len(before) - 1 : -1]  # (answer tokens, vocabulary)
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(tokens)))
