"""Rows of pairs as people's files hold them: mixed formats, tool calls, JSON answers, system texts."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pairs_data import turns

from pipeline.ingest import Source, ingest
from pipeline.modalities import modality

CALL = [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]
SAID = json.dumps(CALL, sort_keys=True)


def read(path: Path, rows: list[dict]):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return ingest([Source("", str(path))])


def messages(path: Path, rows: list[dict]) -> list:
    data = read(path, [{"id": str(k), **row} for k, row in enumerate(rows)]).dataset
    return data.table["messages"].to_pylist()


def test_rows_of_two_formats_with_one_answer_column_keep_their_prompts(tmp_path):
    want = [turns("Name a sea.", "The North Sea."), turns("Name a moon.", "Io."),
            turns("Name a star.", "Vega.")]
    assert messages(tmp_path / "d.jsonl", [
        {"instruction": "Name a sea.", "response": "The North Sea."},
        {"prompt": "Name a moon.", "response": "Io."},
        {"instruction": "", "prompt": "Name a star.", "response": "Vega."},
    ]) == want


@pytest.mark.parametrize(("turn", "content"), [
    ({"content": "", "tool_calls": CALL}, SAID),
    ({"content": None, "tool_calls": CALL}, SAID),
    ({"content": "Let me look.", "tool_calls": CALL}, f"Let me look.\n{SAID}"),
    ({"content": None, "function_call": CALL[0]}, SAID[1:-1]),
])
def test_tool_calls_are_kept_beside_what_is_said(turn, content):
    cell = json.dumps([{"role": "user", "content": "Weather?"}, {"role": "assistant", **turn}])
    taken = modality("sft").intake(pa.table({"messages": [cell]}), ("messages",))
    assert taken.table["messages"][0].as_py()[1] == {"role": "assistant", "content": content}


def test_keys_of_turns_that_have_no_place_are_named(tmp_path):
    asked, said = turns("Hi", "Hello.")
    done = read(tmp_path / "d.jsonl", [{"messages": [{**asked, "name": "Jo"}, {**said, "weight": 0}]}])
    assert "keys of turns left out: name (1 turn), weight (1 turn)" in done.notes


def test_a_system_column_joins_a_system_turn_that_says_otherwise(tmp_path):
    own = {"role": "system", "content": "Be brief."}
    chat = [own, *turns("Hi", "Hello.")]
    given = [{"system": system, "messages": chat} for system in ("Be kind.", "Be brief.")]
    first, second = messages(tmp_path / "d.jsonl", given)
    assert first[0]["content"] == "Be kind.\n\nBe brief." and second[0] == own
    assert first[1:] == second[1:] == turns("Hi", "Hello.")


def test_answers_that_are_json_stay_answers(tmp_path):
    answers = ['[{"name": "Ann", "role": "admin"}]', '[{"from": "Paris", "to": "Rome"}]',
               '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]']
    rows = [{"prompt": f"Question {k}?", "completion": answer} for k, answer in enumerate(answers)]
    assert messages(tmp_path / "d.jsonl", rows) == [turns(r["prompt"], r["completion"]) for r in rows]


def test_chosen_and_rejected_are_read_as_turns_only_where_the_whole_column_spells_them(tmp_path):
    spelt = [json.dumps(turns("Hi", answer)) for answer in ("Hello.", "No.")]
    rows = [{"id": "a", "prompt": "Hi", "chosen": spelt[0], "rejected": spelt[1]}]
    first = read(tmp_path / "d.jsonl", rows).dataset.content.to_pylist()[0]
    assert first["chosen"] == [{"role": "assistant", "content": "Hello."}]
    rows.append({"id": "b", "prompt": "And?", "chosen": "A text.", "rejected": "Another."})
    first = read(tmp_path / "d.jsonl", rows).dataset.content.to_pylist()[0]
    assert first["chosen"] == [{"role": "assistant", "content": spelt[0]}]


def test_a_csv_column_of_turns_as_python_prints_them_is_read(tmp_path):
    path = tmp_path / "d.csv"
    chats = [turns("It's \"one\"?", "Yes,\nit is."), [*turns("Two?", "No."), {"role": "user"}]]
    quoted = [str(chat).replace('"', '""') for chat in chats]
    path.write_text("messages\n" + "".join(f'"{cell}"\n' for cell in quoted), "utf-8")
    data = ingest([Source("", str(path))]).dataset
    assert data.modality == "sft"
    read_as = sorted(data.table["messages"].to_pylist(), key=len)
    assert read_as[0] == chats[0] and read_as[1][:2] == turns("Two?", "No.")
