"""Preference pairs: a prompt, the answer that was chosen and the one that was rejected."""

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
from pipeline.modalities.preference.options import PreferenceAugment, PreferenceClean, PreferenceQuality
from pipeline.modalities.sft import MODALITY as SFT
from pipeline.modalities.sft.turns import answer_of, prompt_of, told
from pipeline.stage import NotApplicable

_COLUMNS = ("prompt", "chosen", "rejected")


class Preference:
    """The modality of preference pairs; see `pipeline.modalities.Modality` for the contract."""

    name = "preference"
    near_copy = 0.8
    labelled = False
    clash_signals: tuple[str, ...] = ()
    built_on: tuple[str, ...] = ("sft", "text")
    stage_options: Mapping[str, type[BaseModel]] = {
        "clean": PreferenceClean, "quality": PreferenceQuality, "augment": PreferenceAugment}
    encoders: Mapping[str, str] = SFT.encoders

    def content_columns(self, table: pa.Table, taken: set[str]) -> tuple[str, ...]:
        """Return `chosen` and `rejected`, and `prompt` and `system` where there are such columns.

        >>> MODALITY.content_columns(pa.table({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]}), set())
        ('prompt', 'chosen', 'rejected')
        """
        from pipeline.modalities.sft.formats import SYSTEM, holds_turns

        free = {c.lower(): c for c in reversed(table.column_names) if c not in taken and c not in OWN_COLUMNS}
        if not {"chosen", "rejected"} <= set(free):
            return ()
        found = tuple(free[c] for c in _COLUMNS if c in free)
        system = [free[c] for c in SYSTEM if c in free and holds_turns(table, free[c])][:1]
        return (*found, *system) if all(holds_turns(table, c) for c in found) else ()

    def intake(self, table: pa.Table, content: tuple[str, ...]) -> Intake:
        """Read texts and lists of turns; see `intake.read_rows`."""
        from pipeline.modalities.preference.intake import read_rows

        return read_rows(table, content)

    def fit(self, content: pa.Table) -> dict[str, Any]:
        """Learn what instruction pairs do, of the prompts and both answers."""
        return SFT.fit(content)

    def repair(self, column: str, cell: Any, options: Any, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """Repair each turn as instruction pairs are."""
        return SFT.repair(column, cell, PreferenceClean.model_validate(options or {}), state)

    def identity(self, content: pa.Table) -> np.ndarray:
        """(n,) of str: prompt, chosen and rejected, folded; "" for a row without text."""
        parts = [SFT.identity(pa.table({"messages": content[c]})) for c in _COLUMNS]
        return objects(["\n--\n".join(row) if any(row) else "" for row in zip(*parts, strict=True)])

    def pairs(self, content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
        """Compare word 3-grams of whole rows; the same answers the other way round are no copy."""
        from pipeline.modalities.preference.compare import copies

        return copies(content.to_pylist(), floor, is_train)

    def embed(self, content: pa.Table, state: Mapping[str, Any], options: Mapping[str, Any]) -> np.ndarray:
        """(n, d) float32 unit vectors of the prompts, or with the encoder `NAME+answer` of the chosen too."""
        whole = pa.table({"messages": _conversations(content)})
        return SFT.embed(whole, state, options)

    def views(self, content: pa.Table, is_train: np.ndarray) -> dict[str, Any]:
        """TF-IDF of prompts and chosen answers."""
        return SFT.views(pa.table({"messages": _conversations(content)}), is_train)

    def measure(self, content: pa.Table) -> pd.DataFrame:
        """Measure prompt and chosen answer as an instruction pair, and both answers against each other.

        chosen_chars, rejected_chars : of the last answers. length_ratio : chosen_chars / rejected_chars.
        """
        frame = SFT.measure(pa.table({"messages": _conversations(content)}))
        won, lost = ([len(answer_of(row).strip()) for row in content[c].to_pylist()] for c in _COLUMNS[1:])
        ratio = np.array(won) / np.maximum(lost, 1)
        return frame.assign(chosen_chars=won, rejected_chars=lost, length_ratio=ratio)

    def rules(self, options: Any, train: pd.DataFrame) -> list[Rule]:
        """Return the bounds on the measures, those of instruction pairs."""
        return SFT.rules(PreferenceQuality.model_validate(options or {}), train)

    def check(self, content: pa.Table, is_train: np.ndarray, options: Any) -> Checks:
        """Look at both answers; see `checks.check`."""
        from pipeline.modalities.preference.checks import check

        return check(content.to_pylist(), is_train, PreferenceQuality.model_validate(options or {}))

    def clashes(self, content: pa.Table, is_train: np.ndarray, signals: Any, options: Any) -> list[Clash]:
        """Return rows that prefer what another rejects; see `compare.clashes`."""
        from pipeline.modalities.preference.compare import clashes

        return clashes(content.to_pylist(), is_train)

    def passages(self, cells: Mapping[str, Any]) -> list[str]:
        """Return the prompt and both answers, which a benchmark's are compared with one by one."""
        return [prompt_of(cells["prompt"]), answer_of(cells["chosen"]), answer_of(cells["rejected"])]

    def perturb(self, cells: Mapping[str, Any], seed: int, options: Any) -> tuple[dict[str, Any], str]:
        """Vary the words of the prompt's user turns."""
        chosen = PreferenceAugment.model_validate(options or {})
        varied, how = SFT.perturb({"messages": cells["prompt"]}, seed, chosen)
        return {**cells, "prompt": varied["messages"]}, how

    def between(self, one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> dict[str, Any]:
        """There is none."""
        raise NotApplicable("no answer lies between two answers")

    def show(self, cells: Mapping[str, Any]) -> str:
        """Return the prompt's turns, then both answers under their names."""
        won, lost = answer_of(cells["chosen"]), answer_of(cells["rejected"])
        return f"{told(cells['prompt'])}\n\nchosen: {won}\n\nrejected: {lost}"

    def picture(self, cells: Mapping[str, Any], side_px: int) -> bytes | None:
        """Return none: words say it."""
        return None


MODALITY: Modality = Preference()


def _conversations(content: pa.Table) -> pa.Array:
    """Return prompt and chosen answer as one conversation a row."""
    from pipeline.modalities.sft.turns import TURNS

    both = zip(content["prompt"].to_pylist(), content["chosen"].to_pylist(), strict=True)
    return pa.array([[*(prompt or ()), *(won or ())] for prompt, won in both], TURNS)
