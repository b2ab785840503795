"""Training to answer: it learns, repeats itself to the bit, and counts the loss on answers only."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chat_models import CHATML, ask, chats, echoes, save_causal, save_seq2seq, tokenizer

from finetune.evaluate import evaluate
from finetune.generation.compare import compare_losses
from finetune.generation.loss import Collate, answer_loss, items
from finetune.generation.score import common_words, rouge_l, words
from finetune.generation.settings import for_generation
from finetune.generation.tokens import tokenize
from finetune.generation.weak import hard_slices
from finetune.settings import GENERATION, LORA, Training
from finetune.train import fit, load
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_causal(tmp_path_factory.mktemp("base") / "causal")


def settings(base, **more):
    given = {"method": "full", "epochs": 2, "max_tokens": 64, "batch_rows": 8, "learning_rate": 3e-3,
             "max_new_tokens": 12, "precision": "fp32"}  # fmt: skip
    return Training(model=str(base), **{**given, **more})


def weights_of(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.suffix == ".safetensors"}


def logits_of(model, text="say cat1"):
    import torch

    ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model.network(input_ids=ids).logits.numpy()


@pytest.fixture(scope="module")
def learnt(base, tmp_path_factory):
    """A model that has learnt to say a word of the question, its data and its evaluation."""
    data, engine = chats(echoes(100)), Engine()
    model = fit(data, settings(base, epochs=40), engine, 0, tmp_path_factory.mktemp("learnt") / "m")
    return model, data, evaluate(load(model.folder), data, "test", engine, slices=["split=test"])


def test_it_learns_to_answer_and_to_end_its_answer(learnt):
    model, _, judged = learnt
    assert judged.metrics["exact_match"]["value"] > 0.9 and judged.metrics["rouge_l"]["value"] > 0.9
    assert judged.metrics["perplexity"]["value"] < 1.5
    assert all(judged.predictions["ended"].to_pylist())
    history = [line["eval_loss"] for line in model.about["history"] if "eval_loss" in line]
    assert history[-1] < history[0] / 3


def test_held_out_loss_is_what_a_plain_computation_gives(learnt):
    import torch

    model, data, judged = learnt
    rows = data.where(data.splits == "test")
    total = n = 0
    for row in tokenize(model.tokenizer, rows.table["messages"].to_pylist(), 64):
        with torch.no_grad():
            logp = model.network(input_ids=torch.tensor([row.ids])).logits.double().log_softmax(-1)[0]
        for t in np.flatnonzero(row.learnt):
            total, n = total - float(logp[t - 1, row.ids[t]]), n + 1
    assert judged.metrics["loss_per_token"]["value"] == pytest.approx(total / n, rel=1e-4)
    assert judged.metrics["perplexity"]["value"] == pytest.approx(np.exp(total / n), rel=1e-4)
    low, value, high = (judged.metrics["loss_per_token"][k] for k in ("low", "value", "high"))
    assert low < value < high


def test_an_evaluation_survives_its_json(learnt):
    from finetune.evaluate import Evaluation

    judged = learnt[2]
    again = Evaluation.from_json(json.loads(json.dumps(judged.to_json())), judged.predictions)
    assert again.to_json() == judged.to_json()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_same_seed_gives_the_same_bytes(method, base, tmp_path):
    data = chats(echoes(30))
    training = settings(base, method=method, lora_dropout=0.1 * (method == "lora"))
    one, two = (fit(data, training, Engine(), 7, tmp_path / name) for name in ("one", "two"))
    for name in ("assay_dataset.json", "trainer_state.json", "generation_config.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    assert weights_of(one.folder) == weights_of(two.folder) != {}
    other = fit(data, training, Engine(), 8, tmp_path / "other")
    assert weights_of(other.folder) != weights_of(one.folder)


def test_row_order_changes_nothing(base, tmp_path):
    some = echoes(30)
    one, two = (
        fit(chats(rows), settings("tiny", epochs=1), Engine(), 0, tmp_path / name)
        for rows, name in ((some, "one"), (some[::-1], "two"))
    )
    assert weights_of(one.folder) == weights_of(two.folder)


def batch_of(rows, weights, per="token"):
    return Collate(0)(items(rows, np.asarray(weights, dtype=float), per))


def test_only_answer_tokens_enter_the_loss_and_the_gradient(base):
    import torch

    tok = tokenizer(CHATML, "<|im_end|>")
    row = tokenize(tok, [ask("say cat1", "cat1")], 64)[0]
    labels = batch_of([row], [1.0])["labels"]
    logits = torch.randn(1, len(row.ids), len(tok), generator=torch.Generator().manual_seed(0))
    before = answer_loss({"logits": logits}, labels)
    prompt = labels[0, :, 1] == 0
    assert prompt.sum() > 5
    changed = labels.clone()
    changed[0, prompt, 0] = 3.0  # another target where nothing is learnt
    moved = logits.clone()
    moved[0, prompt] += 5.0 * torch.randn(int(prompt.sum()), len(tok))
    assert answer_loss({"logits": moved}, changed) == before
    wrong = labels.clone()
    wrong[0, ~prompt, 0] = 3.0
    assert answer_loss({"logits": logits}, wrong) != before
    gradient = logits.requires_grad_()
    answer_loss({"logits": gradient}, labels).backward()
    assert (gradient.grad[0, prompt] == 0).all() and (gradient.grad[0, ~prompt] != 0).any()


def test_a_weight_counts_as_often_as_the_row_were_there():
    import torch

    tok = tokenizer(CHATML, "<|im_end|>")
    one, two = tokenize(tok, [ask("say cat1", "cat1"), ask("say dog", "dog2 dog2 dog2")], 64)
    width = len(two.ids)
    logits = torch.randn(1, width, len(tok), generator=torch.Generator().manual_seed(0))
    for per in ("token", "row"):
        twice, weighted = (
            answer_loss({"logits": logits.expand(len(rows), -1, -1)}, batch_of(rows, w, per)["labels"])
            for rows, w in (([one, one, two], [1, 1, 1]), ([one, two], [2, 1]))
        )
        assert torch.isclose(twice, weighted)
    shares = (batch_of([one, two], [1, 1], per)["labels"][..., 1] for per in ("token", "row"))
    by_token, by_row = (share.sum(dim=1) for share in shares)
    assert by_token.tolist() == [one.n_loss, two.n_loss] and torch.allclose(by_row, torch.ones(2).double())


@pytest.mark.parametrize(("rows", "steps"), [(8, 2), (4, 4), (3, 6)])
def test_accumulated_batches_are_one_batch(rows, steps, base, tmp_path):
    """Answers of very different lengths in each micro-batch: a mean of means would differ."""
    talk = [{"row_id": f"r{i:02d}", "messages": ask("say", "cat1 " * (1 + i % 7)), "weight": 1.0 + i % 3}
            for i in range(16)]  # fmt: skip
    args = {"optim": "sgd", "max_steps": 1, "max_grad_norm": 0.0}
    plain = {"epochs": 1, "warmup_fraction": 0.0, "learning_rate": 0.5, "args": args}
    whole, parts = (
        fit(chats(talk), settings(base, **size, **plain), Engine(), 0, tmp_path / f"{size['batch_rows']}")
        for size in ({"batch_rows": 16}, {"batch_rows": rows, "gradient_accumulation": steps})
    )
    start = load_weights(base)
    step = [w - start[n] for n, w in load_weights(whole.folder).items()]
    other = [w - start[n] for n, w in load_weights(parts.folder).items()]
    assert max(float(abs(s).max()) for s in step) > 1e-3
    for one, two in zip(step, other, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-6)


def load_weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def test_lora_leaves_the_base_as_it_was_and_reloads_to_the_same_logits(base, tmp_path):
    before = weights_of(base)
    data = chats(echoes(30))
    merged, adapter = (
        fit(data, settings(base, method="lora", lora_save=how), Engine(), 0, tmp_path / how)
        for how in ("merged", "adapter")
    )
    assert weights_of(base) == before
    assert set(weights_of(merged.folder)) == {"model.safetensors"}
    assert set(weights_of(adapter.folder)) == {"adapter_model.safetensors"}
    now, then = load_weights(merged.folder), load_weights(base)
    changed = {name for name in now if not np.array_equal(now[name], then[name])}
    assert changed and all("c_attn" in name for name in changed)  # peft's choice for GPT-2
    one, two = (logits_of(load(m.folder)) for m in (merged, adapter))
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert not np.allclose(one, logits_of_base(base), atol=1e-3)


def logits_of_base(base):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(base)("say cat1", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(base)(input_ids=ids).logits.numpy()


def test_lora_trains_the_modules_that_are_named(base, tmp_path):
    more = {"method": "lora", "lora_targets": ["c_fc"], "lora_rank": 2}
    model = fit(chats(echoes(30)), settings(base, **more), Engine(), 0, tmp_path / "m")
    now, then = load_weights(model.folder), load_weights(base)
    assert all("c_fc" in name for name in now if not np.array_equal(now[name], then[name]))


def test_a_sequence_to_sequence_model_trains_and_answers(tmp_path):
    data = chats(echoes(60))
    training = settings(save_seq2seq(tmp_path / "t5"), epochs=30, learning_rate=1e-2)
    model = fit(data, training, Engine(), 0, tmp_path / "m")
    judged = evaluate(load(model.folder), data, "test", Engine(), slices=[])
    losses = [line["eval_loss"] for line in model.about["history"] if "eval_loss" in line]
    assert min(losses) < losses[0] / 2
    assert judged.metrics["rouge_l"]["value"] is not None and any(judged.predictions["ended"].to_pylist())
    assert model.about["seq2seq"]


def test_transformers_itself_loads_the_folder_and_stops_where_we_stop(learnt):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, data, judged = learnt
    words, network = (auto.from_pretrained(model.folder) for auto in (AutoTokenizer, AutoModelForCausalLM))
    asked = data.where(data.splits == "test").table["messages"].to_pylist()[0][:1]
    how = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
    inputs = words.apply_chat_template(asked, **how)
    out = network.generate(**inputs, max_new_tokens=20, do_sample=False)
    said = words.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert said == judged.predictions["said"].to_pylist()[0]


def test_rows_without_loss_are_named_and_left_out_and_test_rows_are_not_looked_at(base, tmp_path):
    some = echoes(30)
    spoilt = [{**r, "messages": ask("say " * 80, "cut")} if r["row_id"] == "e001" else r for r in some]
    said = []
    model = fit(chats(spoilt), settings(base, max_tokens=32), Engine(log=said.append), 0, tmp_path / "m")
    assert any("1 of 18 train rows give no loss" in line for line in said)
    assert any("'e001'" in line and "the prompt alone" in line for line in said)
    assert list(model.about["rows"]["without_loss"]) == ["e001"]
    without = [r for r in spoilt if r["row_id"] != "e001" and r["split"] != "test"]
    again = fit(chats(without), settings(base, max_tokens=32), Engine(), 0, tmp_path / "again")
    assert weights_of(again.folder) == weights_of(model.folder)


def test_nothing_to_learn_is_refused(base, tmp_path):
    rows = [{"row_id": "a", "messages": ask("only asked")}]
    with pytest.raises(NotApplicable, match="no train row has an answer"):
        fit(chats(rows), settings(base), Engine(), 0, tmp_path / "m")
    with pytest.raises(NotApplicable, match="classifies"):
        for_generation(Training(method="probe"))
    with pytest.raises(NotApplicable, match="no base"):
        for_generation(Training(method="lora", model="tiny"))


def test_used_names_what_is_read_and_nothing_else():
    full = Training(method="full").used(generation=True)
    assert set(GENERATION) <= set(full) and not set(LORA) & set(full) and "class_weight" not in full
    assert set(LORA) <= set(Training(method="lora").used(generation=True))
    assert not (set(GENERATION) | set(LORA)) & set(Training(method="full").used())


@pytest.mark.parametrize(("one", "two", "score"), [
    ("the cat sat on the mat", "the cat is on the mat", 10 / 12), ("a b c d", "d c b a", 2 / 8),
    ("police kill the gunman", "the gunman kill police", 4 / 8), ("", "", 1.0), ("a", "", 0.0),
    ("Tokyo 東京", "tokyo, 東 京!", 1.0),
])  # fmt: skip
def test_rouge_l_has_its_known_values(one, two, score):
    assert rouge_l(one, two) == pytest.approx(score)


def test_the_common_subsequence_is_the_textbooks():
    def textbook(a, b):
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
        return table[-1][-1]

    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = ([str(c) for c in rng.integers(0, 4, rng.integers(0, 90))] for _ in range(2))
        assert common_words(a, b) == textbook(a, b)
    assert words("It's") == ["it", "s"]


def test_a_better_model_is_proved_and_the_same_one_is_not(learnt, base, tmp_path):
    _, data, judged = learnt
    weak = fit(data, settings(base, epochs=1), Engine(), 0, tmp_path / "weak")
    other = evaluate(weak, data, "test", Engine(), slices=[])
    found = compare_losses([other] * 3, [judged] * 3)
    assert found.verdict == "proved" and found.high < 0 and "less" not in found.metric
    assert compare_losses([judged] * 3, [other] * 3).verdict == "harmful"
    one = compare_losses([other], [judged])
    assert one.high < 0 and one.verdict == "not proved"  # one training a side says nothing of its own chance
    same = compare_losses([judged] * 2, [judged] * 2)
    assert (same.verdict, same.difference) == ("not proved", 0.0)
    drift = found.to_json()
    assert drift["unit"].startswith("nats") and "loss_per_token" in drift["also"]


def test_a_slice_that_is_harder_is_weak_and_chance_is_not():
    rng = np.random.default_rng(0)
    nats, inside = rng.gamma(2.0, size=200), np.arange(200) < 60
    masks = {"a=1": inside, "b=1": np.arange(200) % 2 == 0}
    hard = {s.slice: s for s in hard_slices(masks, nats + 2 * inside)}
    assert hard["a=1"].weak and not hard["b=1"].weak
    assert 0 <= hard["a=1"].low <= hard["a=1"].value <= hard["a=1"].high <= 1
    assert hard["a=1"].value < hard["a=1"].rest


def test_difficulty_is_high_where_the_answer_does_not_follow_from_its_question(learnt, tmp_path):
    from finetune.generation.difficulty import ifd

    model, data, _ = learnt
    rows = data.where(data.splits == "test").table.to_pylist()[:12]
    words = sorted({r["messages"][1]["content"] for r in rows})
    wrong = [{**r, "messages": ask(r["messages"][0]["content"],
              words[(words.index(r["messages"][1]["content"]) + 1) % len(words)])} for r in rows]  # fmt: skip
    right, other = (ifd(chats(part), str(model.folder)) for part in (rows, wrong))
    assert right.shape == (12,) and (right < 1).mean() > 0.8
    assert np.median(other) > 3 * np.median(right)
    assert np.isnan(ifd(chats([{"row_id": "a", "messages": ask("only asked")}]), str(model.folder))).all()


def test_raw_and_curated_learn_for_as_many_steps(base, tmp_path):
    from finetune.choose import with_strength

    raw = chats(echoes(60))
    training = with_strength(raw, settings(base, epochs=3), Engine())
    assert training.args["max_steps"] == 3 * 5  # 36 train rows by 8, 3 epochs
    fewer = raw.where(~raw.is_train | (np.arange(raw.n_rows) % 2 == 0))
    for name, data in (("raw", raw), ("fewer", fewer)):
        fit(data, training, Engine(), 0, tmp_path / name)
        state = json.loads((tmp_path / name / "trainer_state.json").read_text())
        assert state["global_step"] == 15
    given = settings(base, args={"max_steps": 2})
    assert with_strength(raw, given, Engine()).args == {"max_steps": 2}
