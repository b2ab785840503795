"""Several sources as one dataset: columns, encodings, formats, label words, splits, and what is said."""

import json
import random

import pytest
from conftest import sentence
from report_page import Page
from typer.testing import CliRunner

from flows.cli import app
from pipeline.auditing import audit_dataset
from pipeline.ingest import InputError, RoleNames, Source, ingest
from pipeline.recipe import RecipeError, build_recipe, build_stage
from pipeline.report.page import render
from pipeline.report.privacy import redacted
from pipeline.report.record import audit_record
from pipeline.signals.engine import Engine
from pipeline.source import open_data
from pipeline.store import Store

SHOP, APP = "shop.csv", "app.jsonl"
LABELS = {"pos": "sport", "neg": "money"}


def rows_of(n, seed):
    rng = random.Random(seed)
    topics = [("sport", "money")[i % 2] for i in range(n)]
    return [(f"{seed}-{i}", f"{sentence(t, rng)} Café – {i} €", t) for i, t in enumerate(topics)]


@pytest.fixture
def folder(tmp_path):
    """A CSV in cp1252 and lines of JSON in UTF-8, with other column names, other label words, shared rows."""
    shop, app = rows_of(60, 1), rows_of(40, 2)
    app[:5] = [(f"2-{i}", text, topic) for i, (_, text, topic) in enumerate(shop[:5])]
    lines = ["key;review;mood", *(f'{i};"{text}";{topic}' for i, text, topic in shop)]
    (tmp_path / SHOP).write_bytes(("\n".join(lines) + "\n").encode("cp1252"))
    words = {v: k for k, v in LABELS.items()}
    cells = [{"id": i, "body": text, "stars": words[t], "site": "x"} for i, text, t in app]
    (tmp_path / APP).write_text("".join(json.dumps(c, ensure_ascii=False) + "\n" for c in cells), "utf-8")
    return tmp_path


def sources(folder, **app):
    more = {"columns": {"body": "text", "stars": "label"}, "labels": LABELS, **app}
    return [
        Source("shop", str(folder / SHOP), {"key": "id", "review": "text", "mood": "label"}, "cp1252"),
        Source("app", str(folder / APP), **more),
    ]


def recipe(folder):
    return build_recipe({"data": {"label": "label", "text": "text", "sources": [
        {"name": "shop", "path": SHOP, "encoding": "cp1252",
         "columns": {"key": "id", "review": "text", "mood": "label"}},
        {"name": "app", "path": APP, "columns": {"body": "text", "stars": "label"}, "labels": LABELS},
    ]}}, base=folder)  # fmt: skip


def test_sources_of_other_formats_encodings_columns_and_words_become_one_dataset(folder):
    done = ingest(sources(folder))
    data = done.dataset
    assert data.n_rows == 100 and set(data.labels) == {"sport", "money"}
    assert {i.partition(":")[0] for i in data.ids} == {"shop", "app"}
    assert all("Café –" in text and "€" in text for text in data.table["text"].to_pylist())
    shop = dict(zip(data.ids, data.table["text"].to_pylist(), strict=True))
    assert shop["shop:1-0"] == shop["app:2-0"]
    assert not any("no class in common" in note for note in done.notes)


def test_a_source_without_ids_gets_digests_and_leaves_the_others_theirs(folder):
    lines = [json.loads(line) for line in (folder / APP).read_text("utf-8").splitlines()]
    without = "".join(json.dumps({k: v for k, v in line.items() if k != "id"}) + "\n" for line in lines)
    (folder / APP).write_text(without, "utf-8")
    done = ingest(sources(folder))
    assert {"shop:1-0", "shop:1-59"} <= set(done.dataset.ids)
    assert all(i.startswith("app:r") for i in done.dataset.ids if not i.startswith("shop:"))
    assert any("1 source has none, so row ids are digests there" in guess for guess in done.guesses)
    assert any("column 'site' is only in 'app'" in note for note in done.notes)


def test_copies_in_two_sources_stay_in_one_split_and_are_found(folder, tmp_path):
    opened = open_data(recipe(folder), Store(tmp_path / "w"))
    splits = dict(zip(opened.dataset.ids, opened.dataset.splits, strict=True))
    assert all(splits[f"shop:1-{i}"] == splits[f"app:2-{i}"] for i in range(5))
    record = audit_record(audit_dataset(opened, Engine()))
    found = record["dataset"]["sources"]
    assert [s["source"] for s in found["sources"]] == ["shop", "app"]
    assert [s["rows"] for s in found["sources"]] == [60, 40]
    train = sum(splits[f"shop:1-{i}"] == "train" for i in range(5))
    assert 0 < train <= sum(c["rows"] for c in found["copies"]) <= 5
    words = Page(render(record)).words
    assert "2 sources became one dataset" in words and "The same rows in several sources" in words
    assert "(source 1)" in Page(render(redacted(record))).words


def test_rates_are_for_each_thousand_rows_of_the_source(folder, tmp_path):
    text = (folder / SHOP).read_bytes().decode("cp1252").replace("Café", "<b>Café</b>")
    (folder / SHOP).write_bytes(text.encode("cp1252"))
    record = audit_record(audit_dataset(open_data(recipe(folder), Store(tmp_path / "w")), Engine()))
    markup = {s["source"]: s["per_1000"] for s in record["dataset"]["sources"]["sources"]}
    issue = next(i for i in markup["shop"] if markup["shop"][i] == 1000.0)
    assert markup["app"][issue] == 0.0


def test_one_source_has_no_section_of_sources(folder, tmp_path):
    plan = build_recipe({"data": {"path": str(folder / APP), "text": "body", "label": "stars"}})
    record = audit_record(audit_dataset(open_data(plan, Store(tmp_path / "w")), Engine()))
    assert record["dataset"]["sources"] is None and 'id="sources"' not in render(record)


def test_texts_under_two_names_are_for_the_user_to_decide(folder):
    with pytest.raises(InputError, match=r"'text' in source 'shop', but 'body' in 'app'.*body = \"text\""):
        ingest(sources(folder, columns={"stars": "label"}, labels={}))
    with pytest.raises(InputError, match=r"app.jsonl: no column 'text' for content.*columns = \{"):
        ingest(sources(folder, columns={}, labels={}), RoleNames(content=("text",)))


def test_labels_under_two_names_are_for_the_user_to_decide(folder):
    lines = (folder / APP).read_text("utf-8").replace('"stars"', '"category"')
    (folder / APP).write_text(lines, "utf-8")
    with pytest.raises(InputError, match="label column is 'label' in source 'shop', but 'category' in 'app'"):
        ingest(sources(folder, columns={"body": "text"}, labels={}))


def test_a_source_without_the_label_column_is_read_and_said(folder):
    done = ingest(sources(folder, columns={"body": "text"}, labels={}), RoleNames(label="label"))
    assert sum(label is None for label in done.dataset.labels) == 40
    assert any("source 'app' has no column 'label'" in note for note in done.notes)


def test_classes_that_no_other_source_has_are_said_with_the_map_to_write(folder):
    notes = ingest(sources(folder, labels={})).notes
    assert any("no class in common" in n and 'labels = { "neg" = "money" }' in n for n in notes)
    slip = ingest(sources(folder, labels={"pos": "Sport", "neg": "money"})).notes
    assert any("'Sport' in source 'app' and 'sport' in 'shop' differ only in case" in n for n in slip)


def test_a_label_that_never_occurs_is_refused_with_the_one_that_was_meant(folder):
    with pytest.raises(InputError, match=r"no label 'poss' to map in column 'label'.*'pos'"):
        ingest(sources(folder, labels={"poss": "sport"}))


def test_a_source_can_be_a_split_as_a_whole(folder):
    done = ingest(sources(folder, split="test"))
    of = {i: s for i, s in zip(done.dataset.ids, done.dataset.splits, strict=True)}
    assert all((s == "test") == i.startswith("app:") for i, s in of.items())
    assert "validation" in of.values()
    assert any("source 'app': all 40 rows are test" in note for note in done.notes)


def test_numbers_in_one_source_and_words_in_the_other_are_mapped_alike(folder):
    lines = (folder / APP).read_text("utf-8").replace('"pos"', "1").replace('"neg"', "0")
    (folder / APP).write_text(lines, "utf-8")
    done = ingest(sources(folder, labels={"1": "sport", "0": "money"}))
    assert set(done.dataset.labels) == {"sport", "money"}


def test_tables_may_have_columns_of_their_own(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,label\n" + "".join(f"{i},{i % 7},a\n" for i in range(30)))
    (tmp_path / "b.csv").write_text("x,z,label\n" + "".join(f"{i},{i % 5},b\n" for i in range(30)))
    done = ingest([Source("a", str(tmp_path / "a.csv")), Source("b", str(tmp_path / "b.csv"))])
    assert done.dataset.modality == "tabular" and done.dataset.table["z"].null_count == 30
    assert any("column 'y' is only in 'a'" in note for note in done.notes)


def test_sources_of_other_kinds_are_refused(folder):
    (folder / "t.csv").write_text("x,y,label\n" + "".join(f"{i},{i % 7},a\n" for i in range(30)))
    with pytest.raises(InputError, match="different kinds: 'shop' is text, 't' is tabular"):
        ingest([sources(folder)[0], Source("t", str(folder / "t.csv"))])


def test_a_recipe_names_the_split_that_there_is_none_of(folder):
    source = {"name": "a", "path": APP, "split": "holdout"}
    with pytest.raises(RecipeError, match="split"):
        build_recipe({"data": {"sources": [source]}}, base=folder)


def test_another_label_map_reads_the_data_again(folder, tmp_path):
    store = Store(tmp_path / "w")
    first = open_data(recipe(folder), store).dataset
    plan = recipe(folder)
    app = plan.data.sources[1].model_copy(update={"labels": {"pos": "games", "neg": "money"}})
    data = plan.data.model_copy(update={"sources": (plan.data.sources[0], app)})
    again = open_data(plan.model_copy(update={"data": data}), store).dataset
    assert set(first.labels) == {"sport", "money"} and set(again.labels) == {"sport", "money", "games"}


def test_pairs_in_three_formats_become_one_column_of_turns(tmp_path):
    ask, say = "What is the capital of France, please?", "The capital of France is Paris."
    formats = {
        "alpaca": [{"instruction": f"{ask} {i}", "input": "", "output": say} for i in range(6)],
        "sharegpt": [{"conversations": [{"from": "human", "value": f"{ask} {i + 10}"},
                                        {"from": "gpt", "value": say}]} for i in range(6)],
        "chat": [{"messages": [{"role": "user", "content": f"{ask} {i + 20}"},
                               {"role": "assistant", "content": say}]} for i in range(6)],
    }  # fmt: skip
    found = []
    for name, rows in formats.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found.append(Source(name, str(path)))
    data = ingest(found).dataset
    assert data.modality == "sft" and data.roles.content == ("messages",) and data.n_rows == 18
    assert {tuple(t["role"] for t in turns) for turns in data.table["messages"].to_pylist()} == {
        ("user", "assistant")
    }
    assert {turns[1]["content"] for turns in data.table["messages"].to_pylist()} == {say}


def test_folders_of_pictures_become_one_dataset_with_a_label_map(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for source, words in (("web", ("cat", "dog")), ("phone", ("chat", "chien"))):
        for k, word in enumerate(words):
            folder = tmp_path / source / word
            folder.mkdir(parents=True)
            for i in range(4):
                image.new("RGB", (24, 24), (60 * k, 30 * i, 200 if source == "web" else 9)).save(
                    folder / f"{i}.png"
                )
    french = {"chat": "cat", "chien": "dog"}
    phone = Source("phone", str(tmp_path / "phone"), labels=french)
    data = ingest([Source("web", str(tmp_path / "web")), phone], near_pairs=False).dataset
    assert data.modality == "image" and data.n_rows == 16 and set(data.labels) == {"cat", "dog"}


def test_audit_takes_a_recipe_for_its_sources_and_sums_up_each(folder, tmp_path):
    text = "[data]\nlabel = 'label'\n" + "".join(
        f"[[data.sources]]\nname = '{s.name}'\npath = '{s.path}'\n"
        f"columns = {{ {', '.join(f'{a} = {b!r}' for a, b in s.columns.items())} }}\n"
        f"labels = {{ {', '.join(f'{a} = {b!r}' for a, b in s.labels.items())} }}\n"
        + (f"encoding = '{s.encoding}'\n" if s.encoding else "")
        for s in sources(folder)
    )
    (tmp_path / "plan.toml").write_text(text)
    words = ("audit", tmp_path / "plan.toml", "-o", tmp_path / "out", "-w", tmp_path / "w", "-q")
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {name: s["rows"] for name, s in summary["sources"].items()} == {"shop": 60, "app": 40}
    assert "2 sources became one dataset" in (tmp_path / "out" / "report.html").read_text("utf-8")
    named = CliRunner().invoke(app, [*map(str, words), "--text-column", "text"])
    assert named.exit_code != 0


def test_results_of_each_source_stand_beside_each_other(folder, tmp_path):
    opened = open_data(recipe(folder), Store(tmp_path / "w"))
    record = audit_record(audit_dataset(opened, Engine(), stages=[build_stage("duplicates", {}, "text")]))
    line = {"slice": "source=app", "n": 8, "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6}
    side = {"method": "probe", "n": 20, "split": "test", "metrics": {"accuracy": 0.7}}
    better = {**side, "slices": [{**line, "value": 0.75}]}
    record |= {"kind": "run", "evaluation": {"raw": {**side, "slices": [line]}, "curated": better}}
    words = Page(render(record)).words
    assert "Results by source, on held-out rows" in words and "0.750 [0.400, 0.600]" in words
