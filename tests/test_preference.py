"""Preference pairs: the system's text, and prompts that stand in the answers too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.modalities import modality
from pipeline.modalities.sft.turns import TURNS

PREFERENCE = modality("preference")
FORMAL, FRIENDLY = "Good evening, madam, please come in.", "Yo, come in, mate!"


def rows_of(*systems: str) -> pa.Table:
    """Two rows with one prompt that prefer each other's rejected answer."""
    asked = [[{"role": "system", "content": s}, {"role": "user", "content": "How do I greet a guest?"}]
             for s in systems]
    said = [[{"role": "assistant", "content": text}] for text in (FORMAL, FRIENDLY)]
    cells = {"prompt": asked, "chosen": said, "rejected": said[::-1]}
    return pa.table({name: pa.array(column, TURNS) for name, column in cells.items()})


@pytest.mark.parametrize(("systems", "n"), [
    (("Be formal.", "Be formal."), 1), (("Be formal.", "Be a buddy."), 0)])
def test_rows_whose_system_texts_differ_do_not_oppose_each_other(systems, n):
    assert len(PREFERENCE.clashes(rows_of(*systems), np.ones(2, bool), {}, None)) == n


@pytest.mark.parametrize(("systems", "n"), [
    (("Be formal.", "Be formal."), 1), (("Always be formal.", "Never mind, be a buddy."), 0)])
def test_rows_whose_system_texts_differ_are_no_copies(systems, n):
    table = rows_of(*systems)
    words = "In the old harbour town by the river the pilot counted all of the tall ships on every morning."
    said = pa.array([[{"role": "assistant", "content": words}]] * 2, TURNS)
    table = table.set_column(1, "chosen", said).set_column(2, "rejected", table["chosen"].take([0, 0]))
    assert len(PREFERENCE.pairs(table, 0.4, np.ones(2, bool)).left) == n


def taken(**cells):
    table = pa.table({name: [cell] for name, cell in cells.items()})
    done = PREFERENCE.intake(table, PREFERENCE.content_columns(table, set()))
    return done.unreadable or done.table.to_pylist()[0]


def test_a_system_column_is_content_and_opens_the_prompt():
    row = taken(system="Be formal.", prompt="Hi", chosen="Good evening.", rejected="Yo.")
    assert set(row) == {"prompt", "chosen", "rejected"}
    assert row["prompt"] == [{"role": "system", "content": "Be formal."}, {"role": "user", "content": "Hi"}]


JAM = ("user", "What is jam?")


@pytest.mark.parametrize("opening", [[JAM], [("user", "What is jam? \n")], [("system", "Be good."), JAM]])
def test_a_prompt_that_opens_both_answers_stands_once(opening):
    def side(text):
        return [{"role": role, "content": said} for role, said in (*opening, ("assistant", text))]

    row = taken(prompt="What is jam?", chosen=side("Fruit."), rejected=side("No."))
    assert [row[c] for c in ("chosen", "rejected")] == [
        [{"role": "assistant", "content": text}] for text in ("Fruit.", "No.")]
    assert [t["content"] for t in row["prompt"]] == [*(t for r, t in opening if r == "system"), JAM[1]]


def test_answers_under_different_systems_are_quarantined_with_the_reason():
    said = {"role": "assistant", "content": "Jam."}
    sides = [[{"role": "system", "content": s}, said] for s in ("A.", "B.")]
    assert "different system turns" in taken(prompt="Jam?", chosen=sides[0], rejected=sides[1])[0]
