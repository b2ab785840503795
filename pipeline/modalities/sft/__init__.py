"""Instruction pairs (SFT): rows whose content is a conversation, one column `messages` of turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from pipeline.abilities import Checks, Clash
from pipeline.dataset import OWN_COLUMNS, objects
from pipeline.modalities import Intake, Modality, Pairs, Rule
from pipeline.modalities.sft.options import SftAugment, SftClean, SftDuplicates, SftQuality
from pipeline.modalities.sft.turns import answer_of, prompt_of, told
from pipeline.modalities.text import encoder
from pipeline.stage import NotApplicable

WITH_ANSWER = "+answer"  # ends the name of an encoder that reads the answer too


class Sft:
    """The modality of instruction pairs; see `pipeline.modalities.Modality` for the contract."""

    name = "sft"
    near_copy = 0.8
    labelled = False
    built_on: tuple[str, ...] = ("text",)
    clash_signals: tuple[str, ...] = ("embeddings", "neighbors")
    stage_options: Mapping[str, type[BaseModel]] = {
        "clean": SftClean, "quality": SftQuality, "augment": SftAugment, "duplicates": SftDuplicates}
    encoders: Mapping[str, str] = {
        "minilm": f"{encoder.ENCODERS['minilm']}, of the prompt",
        f"minilm{WITH_ANSWER}": "the same, of the prompt and the last answer"}

    def content_columns(self, table: pa.Table, taken: set[str]) -> tuple[str, ...]:
        """Return the columns of the formats whose names are all there.

        >>> MODALITY.content_columns(pa.table({"instruction": ["a"], "output": ["b"], "id": [1]}), set())
        ('instruction', 'output')
        """
        from pipeline.modalities.sft.formats import columns_of, holds_turns

        free = [c for c in table.column_names if c not in taken and c not in OWN_COLUMNS]
        if {"chosen", "rejected"} <= {c.lower() for c in free}:
            return ()
        free = [c for c in free if holds_turns(table, c)]
        used = {c for columns in columns_of(free).values() for c in columns if c}
        return tuple(c for c in table.column_names if c in used)

    def intake(self, table: pa.Table, content: tuple[str, ...]) -> Intake:
        """Read every format into one column `messages`; see `formats.read_rows`."""
        from pipeline.modalities.sft.formats import read_rows

        return read_rows(table, content)

    def fit(self, content: pa.Table) -> dict[str, Any]:
        """Learn whether turns usually stand between `<s>` and `</s>`, in all columns together."""
        from pipeline.modalities.sft.repair import usually_wrapped

        rows = [row for column in content.columns for row in column.to_pylist()]
        return {"wrapped": usually_wrapped(rows)}

    def repair(self, column: str, cell: Any, options: Any, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """Repair each turn; see `repair.repair`."""
        from pipeline.modalities.sft.repair import repair

        return repair(cell, SftClean.model_validate(options or {}), bool(state.get("wrapped")))

    def identity(self, content: pa.Table) -> np.ndarray:
        """(n,) of str: roles and contents, case folded, whitespace collapsed; "" where nothing is said."""
        texts = [_identity(row) for row in content["messages"].to_pylist()]
        return objects(texts)

    def pairs(self, content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
        """Compare word 3-grams of whole conversations; other numbers or another verdict are no copy."""
        from pipeline.modalities.sft.copies import copies

        return copies(content["messages"].to_pylist(), floor, is_train)

    def embed(self, content: pa.Table, state: Mapping[str, Any], options: Mapping[str, Any]) -> np.ndarray:
        """(n, d) float32 unit vectors of the prompts, or with the encoder `NAME+answer` of the whole."""
        name = options.get("encoder") or "minilm"
        rows = content["messages"].to_pylist()
        if name.endswith(WITH_ANSWER):
            texts = [f"{prompt_of(row)}\n\n{answer_of(row)}" for row in rows]
        else:
            texts = [prompt_of(row) for row in rows]
        return encoder.encode(texts, {**options, "encoder": name.removesuffix(WITH_ANSWER)})

    def views(self, content: pa.Table, is_train: np.ndarray) -> dict[str, Any]:
        """TF-IDF of the conversations' words and characters."""
        from pipeline.modalities.text.views import views

        return views(_texts(content), is_train)

    def measure(self, content: pa.Table) -> pd.DataFrame:
        """Turns and lengths; see `measures.measure`."""
        from pipeline.modalities.sft.measures import measure

        return measure(content)

    def rules(self, options: Any, train: pd.DataFrame) -> list[Rule]:
        """Return the bounds on the measures, one for each issue; `check` says the rest."""
        bounds = SftQuality.model_validate(options or {})
        most = float("inf")
        return [
            Rule("n_answers", "no_answer", 1, most, bounds.empty, "no turn of the assistant"),
            Rule("shortest_prompt_chars", "empty_prompt", 1, most, bounds.empty, "a prompt without text"),
            Rule("answer_repeated_trigram_fraction", "low_information", 0,
                 bounds.max_repeated_trigram_fraction, "flag", "the answers mostly repeat themselves"),
        ]

    def check(self, content: pa.Table, is_train: np.ndarray, options: Any) -> Checks:
        """Look at prompts and answers; see `checks.check`."""
        from pipeline.modalities.sft.checks import check

        rows = content["messages"].to_pylist()
        return check(rows, is_train, SftQuality.model_validate(options or {}))

    def clashes(self, content: pa.Table, is_train: np.ndarray, signals: Any, options: Any) -> list[Clash]:
        """Return rows that ask the same and answer otherwise; see `clashes.clashes`."""
        from pipeline.modalities.sft.clashes import clashes

        chosen = SftDuplicates.model_validate(options or {})
        return clashes(content["messages"].to_pylist(), is_train, signals, chosen)

    def passages(self, cells: Mapping[str, Any]) -> list[str]:
        """Return the prompt and the answer, which a benchmark's are compared with one by one."""
        return [prompt_of(cells["messages"]), answer_of(cells["messages"])]

    def perturb(self, cells: Mapping[str, Any], seed: int, options: Any) -> tuple[dict[str, Any], str]:
        """Vary the words of the user's turns; inputs, answers and the system's turns stay."""
        from pipeline.modalities.text.perturb import perturb

        chosen, how, out = SftAugment.model_validate(options or {}), [], []
        for k, turn in enumerate(cells["messages"] or ()):
            content = turn["content"] or ""
            if turn["role"] == "user" and content.strip():
                content, words = perturb(content, seed + k, chosen)
                how.append(words)
            out.append({"role": turn["role"], "content": content})
        return {**cells, "messages": out}, "; ".join(dict.fromkeys(how)) or "nothing to change"

    def between(self, one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> dict[str, Any]:
        """There is none."""
        raise NotApplicable("no answer lies between two answers")

    def show(self, cells: Mapping[str, Any]) -> str:
        r"""Return the turns, each under its role.

        >>> MODALITY.show({"messages": [{"role": "user", "content": "Hi"}]})
        'user: Hi'
        """
        return told(cells["messages"])

    def picture(self, cells: Mapping[str, Any], side_px: int) -> bytes | None:
        """Return none: words say it."""
        return None


MODALITY: Modality = Sft()


def _texts(content: pa.Table) -> pa.Table:
    texts = ["\n".join(t["content"] or "" for t in row or ()) for row in content["messages"].to_pylist()]
    return pa.table({"text": pa.array(texts, pa.large_string())})


def _identity(row: list[dict[str, Any]] | None) -> str:
    said = [f"{t['role']}: {' '.join((t['content'] or '').casefold().split())}" for t in row or ()]
    return "\n".join(said) if any((t["content"] or "").strip() for t in row or ()) else ""
