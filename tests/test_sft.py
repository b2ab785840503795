"""Instruction and preference pairs: formats in and out, checks, contradictions, decontamination."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pairs_data import make_preference, make_sft, turns

from pipeline.dataset import Dataset, Roles
from pipeline.export.pairs import export_pairs
from pipeline.ingest import InputError, Source, ingest
from pipeline.modalities import modality
from pipeline.modalities.sft.answers import refused, repeated, truncated
from pipeline.modalities.sft.asked import items, violation
from pipeline.modalities.sft.disagree import asks_alike, disagreement, same_question
from pipeline.modalities.sft.language import language_of
from pipeline.modalities.sft.options import SftClean
from pipeline.modalities.sft.personal import kinds
from pipeline.modalities.sft.repair import repair
from pipeline.modalities.sft.template import strip_ends, tokens_in
from pipeline.modalities.sft.turns import TURNS, disorder
from pipeline.recipe import RecipeError, build_stage
from pipeline.run import run_stage, step_key
from pipeline.signals.engine import Engine

WANTED = [{"role": "user", "content": "Add."}, {"role": "input", "content": "1 2"},
          {"role": "assistant", "content": "3"}]
JOINED = [{"role": "user", "content": "Add.\n\n1 2"}, {"role": "assistant", "content": "3"}]
CHAT = [{"role": "system", "content": "Be kind."}, *JOINED]


def write(path: Path, rows: list) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), "utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def read(*paths: Path):
    return ingest([Source(p.stem if len(paths) > 1 else "", str(p)) for p in paths])


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet"])
@pytest.mark.parametrize(("row", "want"), [
    ({"instruction": "Add.", "input": "1 2", "output": "3"}, WANTED),
    ({"instruction": "Add.", "context": "1 2", "response": "3"}, WANTED),
    ({"messages": CHAT}, CHAT),
    ({"system": "Be kind.", "messages": JOINED}, CHAT),
    ({"conversations": [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "Add.\n\n1 2"},
                        {"from": "gpt", "value": "3"}]}, CHAT),
    ({"prompt": "Add.\n\n1 2", "completion": "3"}, JOINED),
    ({"prompt": CHAT[:2], "completion": CHAT[2:]}, CHAT),
])
def test_every_format_becomes_turns(tmp_path, row, want, ending):
    done = read(write(tmp_path / f"d{ending}", [{**row, "topic": "sums"}, {**row, "topic": "more"}]))
    data = done.dataset
    assert (data.modality, data.roles.content, data.roles.label) == ("sft", ("messages",), None)
    assert data.table["messages"].to_pylist() == [want, want]
    assert sorted(data.table["topic"].to_pylist()) == ["more", "sums"]
    assert any("sft" in guess for guess in done.guesses)


def test_two_sources_of_different_formats_become_one_dataset(tmp_path):
    one = write(tmp_path / "one.json", [{"instruction": "Add.", "input": "1 2", "output": "3"}])
    two = write(tmp_path / "two.jsonl", [{"messages": CHAT}])
    rows = {r["source"]: r["messages"] for r in read(one, two).dataset.table.to_pylist()}
    assert rows == {"one": WANTED, "two": CHAT}


@pytest.mark.parametrize(("row", "why"), [
    ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown role 'narrator'"),
    ({"messages": [{"content": "x"}]}, "no role"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "not text"),
    ({"messages": "hello"}, "no list of turns"),
    ({"messages": None}, "missing"),
    ({"messages": ["hello"]}, "not an object"),
])
def test_what_is_no_conversation_is_quarantined_with_the_reason(row, why):
    table = pa.table({"messages": pa.array([json.dumps(v) if isinstance(v, list) else v
                                            for v in (row["messages"], CHAT)], pa.large_string())})
    taken = modality("sft").intake(table, ("messages",))
    assert list(taken.unreadable) == [0]
    assert why in taken.unreadable[0]
    assert taken.table["messages"][1].as_py() == CHAT


def test_intake_leaves_its_own_form_alone():
    table = pa.table({"messages": pa.array([WANTED], TURNS), "x": [1]})
    assert modality("sft").intake(table, ("messages",)).table is table


def test_columns_that_make_no_pairs_are_refused_by_name(tmp_path):
    path = write(tmp_path / "d.jsonl", [{"asked": "a b c", "said": "d e f"}])
    with pytest.raises(InputError, match=r"make no instruction pairs \(call them"):
        from pipeline.ingest import RoleNames

        ingest([Source("", str(path))], RoleNames(content=("asked", "said")), modality="sft")


@pytest.mark.parametrize(("form", "ending"), [
    ("alpaca", ".json"), ("messages", ".jsonl"), ("sharegpt", ".jsonl"), ("prompt-completion", ".parquet")])
def test_round_trips_keep_every_row(tmp_path, form, ending):
    data = read(write(tmp_path / "d.jsonl", [
        {"id": "a", "instruction": "Add.", "input": "1 2", "output": "3", "topic": "sums"},
        {"id": "b", "instruction": "Say hi.", "input": "", "output": "Hi.", "topic": "more"}])).dataset
    out = tmp_path / f"o{ending}"
    assert export_pairs(data, out, form).n_rows == 2
    again = read(out).dataset
    want = WANTED if form == "alpaca" else JOINED
    assert {r["row_id"]: r["messages"] for r in again.table.to_pylist()}["a"] == want
    assert again.table["topic"].to_pylist() == data.table["topic"].to_pylist()
    second = tmp_path / f"p{ending}"
    export_pairs(again, second, form)
    assert read(second).dataset.table["messages"].equals(again.table["messages"])


def test_columns_that_the_first_row_lacks_are_written_too(tmp_path):
    chats = [turns("Hi", "Hello."), [{"role": "system", "content": "Be kind."}, *turns("Bye", "See you.")]]
    table = pa.table({"row_id": ["a", "b"], "messages": pa.array(chats, TURNS)})
    data = Dataset.of(table, Roles(content=("messages",)), "sft")
    export_pairs(data, tmp_path / "o.parquet", "alpaca")
    assert pq.read_table(tmp_path / "o.parquet")["system"].to_pylist() == [None, "Be kind."]


def test_export_refuses_rows_that_do_not_fit_and_names_the_first(tmp_path):
    data = make_sft()
    with pytest.raises(RecipeError, match=r"do not fit alpaca; the first is s0\d\d: .*--skip"):
        export_pairs(data, tmp_path / "o.jsonl", "alpaca")
    made = export_pairs(data, tmp_path / "o.jsonl", "alpaca", skip=True)
    assert made.n_rows + len(made.left_out) == data.n_rows
    with pytest.raises(RecipeError, match="no rejected answer"):
        export_pairs(data, tmp_path / "p.jsonl", "preference")


@pytest.mark.parametrize("row", [
    {"prompt": "Hi", "chosen": "Hello.", "rejected": "No."},
    {"prompt": JOINED[:1], "chosen": JOINED[1:], "rejected": [{"role": "assistant", "content": "4"}]},
    {"chosen": JOINED, "rejected": [JOINED[0], {"role": "assistant", "content": "4"}]},
    {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello.", "rejected": "\n\nHuman: Hi\n\nAssistant: No."},
])
def test_preference_rows_of_every_shape_come_and_go(tmp_path, row):
    data = read(write(tmp_path / "d.jsonl", [row, row])).dataset
    assert (data.modality, set(data.roles.content)) == ("preference", {"prompt", "chosen", "rejected"})
    first = data.content.to_pylist()[0]
    sides = ("prompt", "chosen", "rejected")
    assert [first[c][-1]["role"] for c in sides] == ["user", "assistant", "assistant"]
    assert len(first["chosen"]) == 1
    export_pairs(data, tmp_path / "o.jsonl")
    assert read(tmp_path / "o.jsonl").dataset.content.to_pylist()[0] == first


@pytest.mark.parametrize(("answer", "cut"), [
    ("It is blue.", False), ("Paris", False), ("- one\n- two", False), ("The values are [0, 1).", False),
    ("It is blue because the", True), ("First, we look at it,", True), ("```\nx = 1", True),
    ("He came. He saw and then he took", True), ("Call f(x, y", True), ('{"a": 1}', False),
    ("It is what it is", False), ("Come as soon as you can", False), ("This is the tower which is", True),
])
def test_truncation_is_told_from_short_answers(answer, cut):
    assert (truncated(answer) is not None) is cut


@pytest.mark.parametrize("answer", [
    "def add(a, b):\n    return a + b", "SELECT name FROM users ORDER BY name",
    "x = a\nprint(x)\ny = x if x else a",
    "I cannot come to the party.\n\nKind regards,\nAnn Lee", "It was fun. See you soon.\n\nYours sincerely,\n"
    "Ann Lee\nHead of Sales", "Roses are red,\nViolets are blue,\nSugar is sweet,\nAnd so are you",
    "Blue waves roll to shore\nGulls cry over silver foam\nNight falls on the deep"])
def test_code_letters_and_verse_end_without_a_mark_and_are_whole(answer):
    assert truncated(answer, usual=0.95) is None
    assert truncated("They went to the market for bread", usual=0.95)


@pytest.mark.parametrize(("answer", "declines"), [
    ("I'm sorry, but I can't help with that.", True), ("As an AI, I have no opinion.", True),
    ("I cannot provide medical advice.", True), ("Sorry, I can't assist with this.", True),
    ("I'm sorry for your loss. Here is a letter.", False), ("You cannot divide by zero.", False),
    ("As an AI researcher, I think it is possible.", False), ("I can't help but laugh at it.", False),
    ("I can't help smiling.", False), ("I won't give up, she thought.", False),
    ("Dear Sir,\nI am unable to attend the meeting.", False), ("As an AI language model I have none.", True),
    ("I won't give you that.", True), ("Dear user, I am unable to do so.", True),
])
def test_refusals_are_told_from_apologies(answer, declines):
    assert (refused(answer) is not None) is declines


def test_a_prompt_said_again_is_seen_and_a_restatement_is_not():
    assert repeated("Name the largest planet of all.", "Name the largest planet of all. Jupiter.", 0.8)
    assert repeated("What is the capital of France?", "The capital of France is Paris.", 0.8) is None


@pytest.mark.parametrize(("prompt", "answer", "broken"), [
    ("Answer as JSON.", '{"a": 1}', False), ("Answer as JSON.", 'Sure: ```json\n{"a": 1}\n```', False),
    ("Return a JSON object with the name.", "Ann", True), ("Explain what JSON is.", "A format.", False),
    ("Name three fruits.", "1. a\n2. b\n3. c", False), ("Name three fruits.", "apple, pear", True),
    ("List the six words.", "- a\n- b", True), ("Write 50 words on rain.", "Rain falls.", False),
    ("Show it in a Python code block.", "x = 1", True), ("Give at least 2 reasons.", "- a\n- b\n- c", False),
    ("Name two cities in Germany and France each.", "- Bonn\n- Ulm\n- Nice\n- Lyon", False),
])
def test_formats_that_were_asked_for_are_checked(prompt, answer, broken):
    assert (violation(prompt, answer) is not None) is broken


def test_items_are_counted_at_the_least_indentation():
    assert items("Here:\n1. a\n   - x\n   - y\n2. b") == 2
    assert items("Red, green and blue.") == 3
    assert items("It depends on what you want. Some say so, others not.") is None


def test_personal_numbers_must_check_out():
    assert kinds("4111 1111 1111 1111 and DE89370400440532013000 and 8.8.4.9") == {
        "IBAN": 1, "IP address": 1, "card number": 1}
    assert kinds("4111 1111 1111 1112, DE88370400440532013000, 192.168.1.1, jo@example.com") == {}


@pytest.mark.parametrize(("text", "code"), [
    ("La respuesta es que no se puede hacer en este caso.", "es"), ("これは猫です。", "ja"),
    ("It is the best of all and we know that.", "en"), ("100 kilometers per hour", None), ("x = f(2)", None)])
def test_languages_are_told_or_left_open(text, code):
    assert language_of(text) == code


def test_a_language_that_is_not_told_apart_is_refused():
    assert build_stage("quality", {"sft": {"language": "de"}}, "sft")
    with pytest.raises(RecipeError, match=r"language: 'xx' is none of .*\bde\b"):
        build_stage("quality", {"sft": {"language": "xx"}}, "sft")


def test_template_tokens_go_at_the_ends_and_are_named_inside():
    assert tokens_in("say [INST] then </s>") == ["[INST]", "</s>"]
    assert tokens_in("The tag `</s>` ends it; a[0], <struct>") == []
    assert strip_ends("<|im_start|>assistant\nYes.<|im_end|>")[0] == "Yes."
    cell = turns("Hi", "a <|im_end|> b<|eot_id|></s> \r\n")
    fixed, why = repair(cell, SftClean())
    assert fixed[1]["content"] == "a <|im_end|> b" and why
    assert repair(fixed, SftClean()) == (fixed, [])


@pytest.mark.parametrize(("prompt", "answer"), [
    ("How do I strike text out in HTML?", "<s>old price</s>"),
    ("Correct this with strike tags: I has a kat.", "I <s>has</s> have a <s>kat</s>"),
    ("Make a heading of: Response", "### Response: the whole story\nText."),
    ("Which token ends a text in GPT-2? <|endoftext|>", "It is <|endoftext|>"),
    ("Does <|im_end|> or </s> end a turn of Qwen?", "It is <|im_end|>"),
])
def test_content_that_looks_like_a_template_stays(prompt, answer):
    cell = turns(prompt, answer)
    assert repair(cell, SftClean()) == (cell, [])


def test_tokens_that_a_template_left_in_the_prompt_do_not_keep_the_answers():
    raw = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant"
    for prompt in (raw, "[INST] Hi [/INST]", "Hi<|im_end|>"):
        assert repair(turns(prompt, "Hello.<|im_end|>"), SftClean())[0][1]["content"] == "Hello."


def test_the_turns_of_a_set_that_a_template_wrapped_are_unwrapped():
    kind = modality("sft")
    rows = [turns("<s>Hi</s>", f"<s>{text}</s>") for text in ("One.", "Two.")]
    wrapped = kind.fit(pa.table({"messages": pa.array(rows, TURNS)}))
    fixed, why = kind.repair("messages", rows[0], None, wrapped)
    assert fixed == turns("Hi", "One.") and len(why) == 4
    plain = kind.fit(pa.table({"messages": pa.array([*rows, *[turns("Hi", "One.")] * 3], TURNS)}))
    assert kind.repair("messages", rows[0], None, plain) == (rows[0], [])


def test_repair_brings_other_names_of_roles_into_ours_and_keeps_indentation():
    cell = [{"role": "human", "content": "x"}, {"role": "gpt", "content": "def f():\n    return  1"}]
    fixed, why = repair(cell, SftClean())
    assert [t["role"] for t in fixed] == ["user", "assistant"]
    assert fixed[1]["content"] == cell[1]["content"]
    assert len(why) == 2


@pytest.mark.parametrize(("roles", "wrong"), [
    ("user assistant", False), ("system user input assistant user assistant", False),
    ("user assistant tool assistant", False), ("assistant user", True), ("user user assistant", True),
    ("user system assistant", True), ("user assistant user", True), ("user assistant assistant", True)])
def test_roles_out_of_order_are_named(roles, wrong):
    assert (disorder([{"role": r, "content": "x"} for r in roles.split()]) is not None) is wrong


@pytest.mark.parametrize(("one", "two", "differ"), [
    ("It is 12.", "It is 13.", True), ("Yes, it is.", "No, it is not.", True),
    ("The capital is Paris.", "The capital is Lyon.", True), ("12", "The answer is 12.", False),
    ("It is safe.", "It is not safe.", True), ("Prices increase.", "Prices decrease.", True),
    ("1,000 metres", "1000 metres", False), ("A dog barks.", "The dog barks loudly.", False)])
def test_answers_disagree_by_numbers_verdicts_denials_and_names(one, two, differ):
    assert (disagreement(one, two, "What is it?") is not None) is differ


@pytest.mark.parametrize(("prompt", "one", "two"), [
    ("Name a fruit.", "Apple.", "Banana."), ("Give me a random number.", "7", "42"),
    ("Hi", "Hello!", "Hey there"), ("What is your favourite colour?", "Red.", "Blue."),
    ("Give me a random number.", "Your number is 7.", "Your number is 42."),
    ("Continue the story.", "Then he left.", "She slept.")])
def test_prompts_that_many_answers_fit_make_no_contradiction(prompt, one, two):
    assert disagreement(one, two, prompt) is None


@pytest.mark.parametrize(("prompt", "one", "two"), [
    ("Name the largest planet.", "Jupiter.", "Saturn."), ("Continue the sequence 2, 4, 6.", "8", "9"),
    ("Hi, what is the capital of France?", "Paris.", "Lyon."),
    ("What is a random variable's mean?", "1", "2")])
def test_prompts_with_one_answer_still_do(prompt, one, two):
    assert disagreement(one, two, prompt)


def test_a_contradiction_is_told_in_words_not_in_stems():
    assert disagreement("Apples.", "Bananas.", "Which is it?")[1] == "one says Apples, the other Bananas"


def test_tasks_that_look_alike_are_not_the_same_question():
    assert same_question("What is the capital of France", "what's the captial of France?")
    assert not same_question("What is 12 + 7?", "What is 12 + 8?")
    assert not asks_alike("What does numpy.flipud do in Python?", "What does numpy.fliplr do in Python?")
    assert not asks_alike("How many letters has the word kettle?", "How many letters has the word apple?")


def test_near_copies_whose_short_answers_differ_are_no_copies():
    ask = "In the old harbour town by the river, how many boats were counted that morning by the pilot?"
    rows = [turns(ask, "12"), turns(ask, "13")]
    table = pa.table({"messages": pa.array(rows, TURNS)})
    assert len(modality("sft").pairs(table, 0.4, np.ones(2, bool)).left) == 0


def found(data: Dataset, name: str, **settings) -> dict[str, set[str]]:
    step = run_stage(data, build_stage(name, settings, data.modality), Engine())
    assert step.skipped is None
    out: dict[str, set[str]] = {}
    for row in step.findings.rows():
        out.setdefault(row["issue"], set()).add(row["row_id"])
    return out


def test_quality_names_each_planted_fault_once():
    issues = found(make_sft(), "quality")
    want = {"empty_answer", "empty_prompt", "no_answer", "truncated_answer", "refused_answer",
            "prompt_repeated", "template_token", "wrong_language", "personal_data", "format_violation",
            "low_information", "role_order"}
    assert want <= set(issues)
    assert len(issues["format_violation"]) == 2
    assert all(len(rows) <= 2 for rows in issues.values())


def test_contradictions_are_flagged_on_both_sides_and_are_no_copies():
    issues = found(make_sft(), "duplicates", sft={"paraphrases": False})
    assert issues["contradiction"] == {"s072", "s073"}
    assert not issues["contradiction"] & (issues["exact_duplicate"] | issues["near_duplicate"])


def test_preferences_that_oppose_each_other_are_a_contradiction_and_equal_answers_go():
    data = make_preference()
    assert found(data, "duplicates")["contradiction"] == {"p072", "p073"}
    issues = found(data, "quality")
    assert issues["identical_pair"] == {"p074"} and None in issues["length_bias"]


def test_swapped_pairs_are_found_by_a_probe_that_has_not_seen_them():
    rng = np.random.default_rng(0)
    words = ["harbour", "kettle", "violin", "garden", "basket", "silver", "engine", "window"]
    rows, swapped = [], set()
    for k in range(160):
        a, b = (words[int(i)] for i in rng.integers(0, 8, 2))
        good = f"The {a} number {k} is kept beside the {b}, which is where most people look for it first."
        pair = [good, "I'm sorry, but I can't answer that."]
        if k % 16 == 0:
            swapped.add(f"{k:03d}")
            pair.reverse()
        rows.append({"row_id": f"{k:03d}", "prompt": f"Where is the {a} number {k}?", "pair": pair})
    cells = {side: pa.array([[{"role": "assistant", "content": r["pair"][j]}] for r in rows], TURNS)
             for j, side in enumerate(("chosen", "rejected"))}
    prompt = pa.array([[{"role": "user", "content": r["prompt"]}] for r in rows], TURNS)
    table = pa.table({"row_id": [r["row_id"] for r in rows], "prompt": prompt, **cells})
    data = Dataset.of(table, Roles(content=("prompt", "chosen", "rejected")), "preference")
    assert found(data, "quality")["swapped_pair"] == swapped


@pytest.mark.parametrize("other_format", [False, True])
def test_train_rows_that_a_benchmark_holds_go_and_name_its_row(tmp_path, other_format):
    data = make_sft()
    row = next(r for r in data.table.to_pylist()
               if r["split"] == "train" and "Cooks care" in r["messages"][-1]["content"])
    asked, said = (turn["content"] for turn in row["messages"])
    held = {"question": "q", "reference": f"{said[:-1]}, as all know."} if other_format else {
        "instruction": asked, "output": "Another answer."}
    bench = write(tmp_path / "bench.jsonl", [held])
    settings = {"benchmark": str(bench), "sft": {"paraphrases": False}}
    step = run_stage(data, build_stage("duplicates", settings, "sft"), Engine())
    edits = [r for r in step.findings.rows() if r["issue"] == "contaminated"]
    assert [(r["row_id"], r["action"]) for r in edits] == [(row["row_id"], "drop")]
    assert "benchmark row 1 of bench.jsonl" in edits[0]["because"]
    assert found(data, "duplicates", sft={"paraphrases": False}).get("contaminated") is None


@pytest.mark.parametrize("held", [
    {"messages": turns("What is the capital of France?", "Paris")},
    {"id": "what is this", "question": "What is the capital of France?", "answer": "Paris"},
    {"question_id": 3, "turns": ["What is the capital of France?", "And of Spain?"]},
    {"prompt": "What is the capital of France?", "completion": "Paris"},
])
@pytest.mark.parametrize("make", [make_sft, make_preference])
def test_short_questions_of_a_benchmark_in_any_form_are_found(tmp_path, make, held):
    data = make()
    bench = write(tmp_path / "bench.jsonl", [held])
    stage = build_stage("duplicates", {"benchmark": str(bench), **(
        {"sft": {"paraphrases": False}} if data.modality == "sft" else {})}, data.modality)
    edits = run_stage(data, stage, Engine()).findings.rows()
    gone = {r["row_id"] for r in edits if r["issue"] == "contaminated"}
    column = "messages" if data.modality == "sft" else "prompt"
    want = {r["row_id"] for r in data.table.to_pylist() if r["split"] == "train"
            and r[column][0]["content"] == "What is the capital of France?"}
    assert gone == want and want


def test_a_benchmark_without_a_text_is_refused_by_name(tmp_path):
    bench = write(tmp_path / "bench.jsonl", [{"id": "a b c d e f", "answer": "B"}])
    stage = build_stage("duplicates", {"benchmark": str(bench), "sft": {"paraphrases": False}}, "sft")
    with pytest.raises(InputError, match=r"bench.jsonl: no row has a text of 3 words"):
        run_stage(make_sft(), stage, Engine())


def test_a_benchmark_cleans_texts_too_and_its_bytes_are_in_the_key(tmp_path):
    text = "The quick harbour pilot steered nine tall ships past the old lighthouse before the evening storm."
    texts = [f"News today: {text} More to come.", "Something else entirely here."]
    rows = {"row_id": ["a", "b"], "text": texts}
    data = Dataset.of(rows, Roles(content=("text",)), "text")
    bench = write(tmp_path / "b.jsonl", [{"id": "q7", "text": text}])
    stage = build_stage("duplicates", {"benchmark": str(bench)}, "text")
    edits = run_stage(data, stage, Engine()).findings.rows()
    assert [(r["row_id"], r["issue"]) for r in edits] == [("a", "contaminated")]
    assert "q7" in edits[0]["because"]
    write(bench, [{"id": "q7", "text": "Another text."}])
    other = build_stage("duplicates", {"benchmark": str(bench)}, "text")
    assert step_key(data, stage, Engine()).digest != step_key(data, other, Engine()).digest


def test_augment_varies_the_user_and_never_the_answer():
    kind = modality("sft")
    asked = "Explain how the large engine works on cold mornings."
    cells = {"messages": [*turns(asked, "It burns fuel slowly."),
                          {"role": "user", "content": "Tell me something more about winter mornings."},
                          {"role": "assistant", "content": "They are often very cold."}]}
    child, how = kind.perturb(cells, 3, None)
    assert kind.perturb(cells, 3, None) == (child, how) and child != cells
    assert [t for t in child["messages"] if t["role"] == "assistant"] == [
        t for t in cells["messages"] if t["role"] == "assistant"]


def test_answers_that_max_length_cuts_are_counted_with_the_tokenizer():
    rows = [turns("Say something.", "word " * 50), turns("Say something.", "word")]
    data = Dataset.of(pa.table({"row_id": ["a", "b"], "messages": pa.array(rows, TURNS)}),
                      Roles(content=("messages",)), "sft")
    step = run_stage(data, build_stage("quality", {"sft": {"max_length": 30}}, "sft"), Engine())
    cut = [r for r in step.findings.rows() if r["issue"] == "answer_cut"]
    assert [r["row_id"] for r in cut] == ["a"] and "max_length is 30" in cut[0]["because"]


def test_a_tokenizer_that_cannot_be_loaded_is_refused_by_name_and_skips_no_check(tmp_path):
    settings = {"sft": {"max_length": 30, "tokenizer": str(tmp_path / "nope")}}
    with pytest.raises(RecipeError, match=r"tokenizer '.*nope' cannot be loaded: .*leave out max_length"):
        run_stage(make_sft(), build_stage("quality", settings, "sft"), Engine())


def test_rows_that_a_chat_template_refuses_are_counted_without_it_and_said(tmp_path):
    from pipeline.modalities.sft import lengths
    from pipeline.modalities.text.encoder import model_source

    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_source("minilm")[0])
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for m in messages %}{{ m['content'] }} {% endfor %}")
    tokenizer.save_pretrained(tmp_path)
    system = {"role": "system", "content": "Be brief."}
    rows = [[system, *turns("Say something.", "word " * 50)], turns("Say something.", "word " * 50)]
    of_row, other, whole = lengths.faults(rows, np.ones(2, bool), str(tmp_path), 30)
    assert (of_row.row, other.row, whole.row) == (0, 1, None)
    assert "refuses it: System role not supported" in of_row.because and "refuses" not in other.because
    assert "refuses 1 of 2 train rows" in whole.because


def test_difficulty_is_low_where_the_prompt_gives_the_answer_away(tmp_path):
    from pipeline.modalities.sft.difficulty import difficulty
    from pipeline.stage import NotApplicable

    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {w: k for k, w in enumerate(["<s>", "a", "b", "c", "d", "say"])}
    plain = Tokenizer(models.WordLevel(words, unk_token="say"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, bos_token="<s>").save_pretrained(tmp_path)
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=6, n_positions=32, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0))
    rows = [turns(f"say {w}", w) for w in "abcd"]
    ids = torch.tensor([[0, 5, words[w], words[w]] for w in "abcd"])
    step = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        step.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        step.step()
    model.save_pretrained(tmp_path)
    told = difficulty([*rows, turns("say a", "d"), turns("", "a")], str(tmp_path))
    assert (told[:4] < 0.1).all() and told[4] > 0.5 and np.isnan(told[5])
    with pytest.raises(NotApplicable, match="folder"):
        difficulty(rows, None)
