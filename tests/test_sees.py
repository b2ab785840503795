"""What the model sees: the mask stands on the answers, whatever the template and the tokenizer do."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from chat_models import CHATML, LLAMA, MISTRAL, THINKING, ask, chats, echoes, save_causal, tokenizer
from typer.testing import CliRunner

from finetune.generation.render import PLAIN
from finetune.sees import sees
from flows.cli import app
from pipeline.modalities.sft.turns import joined
from pipeline.stage import NotApplicable

TEMPLATES = {"chatml": (CHATML, "<|im_end|>"), "llama": (LLAMA, "</s>"), "mistral": (MISTRAL, "</s>"),
             "thinking": (THINKING, "<|im_end|>"), "none": (None, "</s>")}  # fmt: skip
ENDS = {kind: "<|eot|>" if kind == "llama" else eos for kind, (_, eos) in TEMPLATES.items()}


def learnt(row, tok):
    """Return the runs of tokens that are learnt, as text."""
    runs, run = [], []
    for token, on in zip([*row.ids, None], [*row.learnt, False], strict=True):
        if on:
            run.append(token)
        elif run:
            runs.append(tok.decode(run))
            run = []
    return runs


def see(messages, tok, **more):
    rows = [{"row_id": f"r{i}", "messages": m} for i, m in enumerate(messages)]
    return sees(chats(rows), tokenizer=tok, **more)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_only_the_answers_and_their_ends_are_learnt(kind):
    tok = tokenizer(*TEMPLATES[kind])
    talk = ask("say cat1", "cat1 cat1", "and dog2?", "dog2!")
    row = see([talk], tok).rows[0]
    said = [text.replace("<think>\n\n</think>\n\n", "") for text in learnt(row, tok)]
    assert [t.strip() for t in said] == [f"cat1 cat1{ENDS[kind]}", f"dog2!{ENDS[kind]}"]
    assert row.end == "template" and row.n_cut == 0 and not row.because
    last = see([talk], tok, loss_turns="last").rows[0]
    assert [t.split("</think>")[-1].strip() for t in learnt(last, tok)] == [f"dog2!{ENDS[kind]}"]
    assert last.ids == row.ids


@pytest.mark.parametrize("kind", TEMPLATES)
def test_the_ids_are_those_of_the_tokenizers_own_template(kind):
    tok = tokenizer(*TEMPLATES[kind])
    talk = ask("say cat1", "cat1 cat1")
    row = see([talk], tok).rows[0]
    theirs = tok.apply_chat_template(talk, tokenize=True, return_dict=True)["input_ids"]
    assert list(row.ids) == theirs[: len(row.ids)]
    assert tok.decode(theirs[len(row.ids) :]).strip() == ""


def test_what_follows_the_prompt_of_generation_is_what_is_learnt():
    tok = tokenizer(LLAMA)
    row = see([ask("say cat1", "cat1")], tok).rows[0]
    prompt = tok.apply_chat_template(
        ask("say cat1"), tokenize=True, add_generation_prompt=True, return_dict=True
    )["input_ids"]
    assert list(row.ids[: len(prompt)]) == prompt
    assert not row.learnt[: len(prompt)].any() and row.learnt[len(prompt) :].all()


def test_a_short_answer_that_stands_in_its_question_is_found_at_its_own_place():
    tok = tokenizer(THINKING, "<|im_end|>")
    row = see([ask("yes or no? say no", "no", "again no", "no")], tok).rows[0]
    first = row.text.index("assistant\nno") + len("assistant\n")
    assert learnt(row, tok)[0] == "no<|im_end|>"
    assert tok.decode(row.ids[: int(row.learnt.argmax())]) == row.text[:first]


def test_a_token_of_both_prompt_and_answer_is_learnt_and_said():
    tok = tokenizer("{% for m in messages %}{{ m['content'] }}{% endfor %}", merges="ab:cd:cd")
    assert tok.tokenize("ab:cd") == ["ab", ":cd"]
    row = see([ask("ab:", "cd")], tok).rows[0]
    assert row.straddles and row.end == "added"
    assert learnt(row, tok) == [":cd</s>"]
    clean = see([ask("ab:", "cd")], tokenizer(CHATML, "<|im_end|>")).rows[0]
    assert not clean.straddles


def test_accents_and_emoji_of_many_bytes_are_learnt_whole():
    tok = tokenizer(CHATML, "<|im_end|>")
    row = see([ask("dis «é»", "é 🦆 東京")], tok).rows[0]
    assert learnt(row, tok) == ["é 🦆 東京<|im_end|>"]
    assert row.n_bytes == len("é 🦆 東京".encode()) + 1


def test_an_answer_without_an_end_gets_one_and_it_is_said():
    tok = tokenizer("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}")
    seen = see([ask("say cat1", "cat1")], tok)
    assert seen.rows[0].end == "added" and seen.rows[0].ids[-1] == tok.eos_token_id
    assert learnt(seen.rows[0], tok)[0].strip() == "cat1</s>"
    assert seen.to_json()["ends"] == {"added": 1}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_conversation_may_begin_with_the_answer(kind):
    tok = tokenizer(*TEMPLATES[kind])
    talk = [{"role": "assistant", "content": "cat1!"}, *ask("say dog2", "dog2")]
    row = see([talk], tok).rows[0]
    assert row.because or "cat1!" in "".join(learnt(row, tok))
    assert sees(chats([{"row_id": "r", "messages": talk}])).rows[0].n_loss > 0


def test_an_empty_answer_teaches_nothing_and_one_of_several_does_not_matter():
    tok = tokenizer(*TEMPLATES["chatml"])
    rows = see([ask("say cat1", " "), ask("say cat1", "", "and dog2?", "dog2!")], tok).rows
    assert "empty" in rows[0].because and rows[0].n_loss == 0 and rows[1].n_loss > 0


def test_the_words_of_tiny_do_not_depend_on_the_rows():
    one, two = (see([ask("say cat1", answer)], None) for answer in ("cat1", "zebra zebra zebra zebra"))
    assert one.tokenizer.get_vocab() == two.tokenizer.get_vocab()


def test_rows_that_give_no_loss_are_named_with_the_reason():
    tok = tokenizer(MISTRAL)
    long = "cat1 " * 40
    system = [{"role": "system", "content": "be kind"}, *ask("hi", "ho")]
    seen = see([ask("hi", "ho"), ask(long, "cut"), ask("only asked"), system], tok, max_tokens=32)
    assert set(seen.lost) == {"r1", "r2", "r3"}
    assert "the prompt alone takes" in seen.lost["r1"] and "max_tokens=32" in seen.lost["r1"]
    assert "no turn of the assistant" in seen.lost["r2"]
    assert "roles must alternate" in seen.lost["r3"]
    assert "r1" in "\n".join(seen.lines()) and "gives no loss" in seen.show("r1")


def test_an_answer_that_is_cut_keeps_its_beginning_and_loses_its_end():
    tok = tokenizer(CHATML, "<|im_end|>")
    whole = see([ask("hi", "cat1 " * 20)], tok, max_tokens=200).rows[0]
    cut = see([ask("hi", "cat1 " * 20)], tok, max_tokens=whole.n_uncut - 5).rows[0]
    assert cut.ids == whole.ids[:-5] and cut.n_cut == 5 and cut.cut_answer_tokens == 5
    assert cut.end == "cut off" and cut.n_loss == whole.n_loss - 5
    assert 0 < cut.n_bytes < whole.n_bytes


def test_the_templates_own_tokens_inside_a_turn_are_said():
    seen = see([ask("hi", "ho"), ask("hi", "ho<|im_end|>ha")], tokenizer(CHATML, "<|im_end|>"))
    assert seen.to_json()["marked_rows"] == ["r1"]
    assert seen.rows[1].marks == ("<|im_end|>",)


def test_a_tokenizer_without_a_template_gets_the_plain_one_and_it_is_said():
    tok = tokenizer(None)
    seen = see([ask("say cat1", "cat1")], tok)
    assert "no chat template" in seen.template and tok.chat_template == PLAIN
    assert seen.rows[0].text == "<s>### User:\nsay cat1\n\n### Assistant:\ncat1</s>"


def test_the_input_of_an_instruction_is_part_of_the_question():
    pieces = (("user", "Add."), ("input", "1 2"), ("input", ""))
    cell = [{"role": role, "content": content} for role, content in pieces]
    assert joined(cell) == [{"role": "user", "content": "Add.\n\n1 2"}]


def test_rows_that_are_no_conversations_are_refused():
    from tiny import dataset, rows

    with pytest.raises(NotApplicable, match="only conversations"):
        sees(dataset(rows(3)))


def test_a_row_is_printed_with_what_is_learnt_marked():
    seen = see([ask("say cat1", "cat1")], tokenizer(CHATML, "<|im_end|>"))
    assert seen.show("r0").endswith(
        "<|im_start|>user\nsay cat1<|im_end|>\n<|im_start|>assistant\n⟦cat1<|im_end|>⟧"
    )


def test_the_command_shows_counts_and_a_row_and_writes_the_table(tmp_path):
    folder = save_causal(tmp_path / "model")
    lines = [json.dumps({"id": r["row_id"], "messages": r["messages"]}) for r in echoes(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, json.dumps({"id": "x", "messages": ask("hi")})]))
    command = ["sees", str(tmp_path / "rows.jsonl"), "--model", str(folder), "--id-column", "id"]
    command += ["-w", str(tmp_path / "w"), "--modality", "sft", "-o", str(tmp_path / "out"), "--row", "e003"]
    done = CliRunner().invoke(app, [*command, "-q"])
    assert done.exit_code == 0, done.output
    assert "1 rows give no loss" in done.output and "⟦" in done.output and "row e003" in done.output
    table = pq.read_table(tmp_path / "out" / "sees.parquet")
    assert table.num_rows == 11 and table["because"].to_pylist().count(None) == 10
    facts = json.loads(CliRunner().invoke(app, [*command, "-q", "--json"]).stdout)
    assert facts["rows"] == 11 and list(facts["without_loss"]) == ["x"]


def test_of_preference_pairs_the_chosen_answer_is_learnt():
    import pyarrow as pa

    from pipeline.dataset import Dataset, Roles

    row = {"row_id": "p", "prompt": ask("hi"), "chosen": [{"role": "assistant", "content": "good"}],
           "rejected": [{"role": "assistant", "content": "bad"}]}  # fmt: skip
    roles = Roles(content=("prompt", "chosen", "rejected"))
    data = Dataset.of(pa.Table.from_pylist([row]), roles, "preference")
    tok = tokenizer(CHATML, "<|im_end|>")
    seen = sees(data, tokenizer=tok)
    assert learnt(seen.rows[0], tok) == ["good<|im_end|>"] and "bad" not in seen.rows[0].text
