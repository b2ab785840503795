"""What goes into a report: the record, its limits and its worst examples."""

import json
import time

import pytest
from promises import count, record
from report_data import big_dataset, big_points, curated_with, evaluation, full_record, small_dataset
from report_page import Page

from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.modalities.text.lengths import token_counts
from pipeline.report import dataset_record, write
from pipeline.report.label_words import classes_of
from pipeline.report.page import MOST_BYTES, render


def test_a_huge_record_is_capped_and_says_so(tmp_path):
    record = full_record()
    classes = [f"class {i}" for i in range(1000)]
    example = {**record["dataset"]["issues"][0]["examples"][0], "text": "long words " * 400}
    issue = record["dataset"]["issues"][0]
    record["dataset"]["issues"] = [
        {**issue, "issue": f"issue {i}", "rows": 10_000, "examples": [example] * 100} for i in range(100)
    ]
    record["dataset"]["labels"] = [
        {"class": c, "raw": 9, "curated": 8, "train": 9, "flagged": 1, "noise_fraction": 0.1} for c in classes
    ]
    record["evaluation"] = {"raw": evaluation(classes=classes), "curated": evaluation(classes=classes)}
    path = write(record, tmp_path)
    words = Page(path.read_text("utf-8")).words
    assert path.stat().st_size <= MOST_BYTES
    assert "Showing 5 of 10,000 rows; 95 more examples are in report.json" in words
    assert "and 940 more classes" in words and "and 40 more issues" in words


def test_examples_go_before_the_limit_is_broken_and_the_page_says_so():
    record = full_record()
    issue = next(i for i in record["dataset"]["issues"] if i["issue"] == "near_duplicate")
    issue["examples"] = [{**issue["examples"][0], "text": "long words " * 400}] * 5
    whole = render(record)
    less = render(record, most_bytes=len(whole.encode()) - 1)
    assert len(less) < len(whole)
    assert "it shows at most 2 examples an issue" in Page(less).words and "at most 2" not in Page(whole).words
    with pytest.raises(ValueError, match="without examples"):
        render(record, most_bytes=1000)


def test_copies_stand_side_by_side_with_their_differences_marked():
    raw = small_dataset()
    step = (
        "duplicates",
        Findings.of("duplicates", [Edit("r1", "near_duplicate", 0.1, "drop", "copy", related=["r2"])]),
    )
    html = render({"title": "t", "steps": [], "dataset": dataset_record(raw, raw, [step])})
    assert "number <mark>1</mark> jumps" in html and "number <mark>2</mark> jumps" in html


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    write({"title": "first", "steps": []}, tmp_path)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write({"title": "second", "steps": []}, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]
    assert "first" in (tmp_path / "report.html").read_text("utf-8")


def test_the_record_counts_what_the_findings_say():
    raw = small_dataset()
    curated, steps = curated_with(raw)
    record = dataset_record(raw, curated, steps)
    issues = {i["issue"]: i for i in record["issues"]}
    assert issues["label"]["rows"] == 2 and issues["label"]["actions"] == {"drop": 1, "set": 1}
    assert issues["label"]["fraction"] == pytest.approx(2 / 12)
    assert [e["suggested"] for e in issues["label"]["examples"]] == ["a", "b"]
    assert issues["near_duplicate"]["examples"][0]["related"][0]["row_id"] == "r2" and len(issues) == 6
    assert record["rows"] == {"raw": 12, "curated": 11} and record["found"] == 6
    assert record["transitions"]["rows"] == 2
    assert record["duplicates"]["sizes"] == [{"size": 2, "clusters": 1}]
    assert [r["kept"] for r in record["duplicates"]["biggest"][0]["rows"]] == [True, False]
    assert record["outliers"]["threshold"] == 0.1 and sum(record["outliers"]["counts"]) == 3
    assert sum(record["lengths"]["raw"]) == 12 and sum(record["lengths"]["curated"]) == 11
    assert {c["class"]: (c["raw"], c["flagged"]) for c in record["labels"]} == {"a": (6, 0), "b": (6, 2)}


def test_worst_examples_come_first_and_at_most_five():
    raw = small_dataset()
    train = list(raw.ids[raw.is_train])
    edits = [Edit(r, "outlier", 0.9 - 0.1 * i, "flag", "far") for i, r in enumerate(train)]
    entry = dataset_record(raw, raw, [("anomalies", Findings.of("anomalies", edits))])["issues"][0]
    assert [e["row_id"] for e in entry["examples"]] == train[::-1][:5] and entry["rows"] == len(train)


def test_an_edit_that_two_rounds_repeat_counts_once():
    raw = small_dataset()
    steps = [("quality", Findings.of("quality", [Edit("r0", "too_short", 0.1, "flag", "short")]))]
    once, twice = dataset_record(raw, raw, steps), dataset_record(raw, raw, steps * 2)
    assert once == twice


def test_the_record_is_the_same_whatever_the_row_order():
    raw = small_dataset()
    shuffled = Dataset.of(raw.table.take([5, 3, 11, 0, 1, 2, 4, 10, 9, 8, 7, 6]), raw.roles, "text")
    first, second = (dataset_record(d, *curated_with(d)) for d in (raw, shuffled))
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize(
    "labels", [[["a", "b"], ["a"], None], [{"a": 0.4, "b": 0.6}, {"a": 1.0, "b": 0.0}, None]]
)
def test_labels_that_are_not_one_class_are_counted(labels):
    raw = Dataset.of(
        {"row_id": ["1", "2", "3"], "text": ["x", "y", "z"], "y": labels},
        Roles(content=("text",), label="y"),
        "text",
    )
    edits = [Edit("1", "label", 0.1, "drop", "wrong")]
    record = dataset_record(raw, raw, [("label_noise", Findings.of("label_noise", edits))])
    assert sum(c["raw"] for c in record["labels"]) == sum(len(classes_of(v)) for v in labels)
    assert Page(render({"title": "t", "steps": [], "dataset": record})).words


def test_importing_the_report_imports_no_template_engine():
    import subprocess
    import sys

    code = (
        "import sys, pipeline.report; sys.exit(any(m in sys.modules for m in ('jinja2', 'torch', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_stays_under_five_megabytes_at_a_hundred_thousand_rows(tmp_path):
    n = count(10_000, 100_000)
    raw, steps = big_dataset(n)
    started, cpu = time.perf_counter(), time.process_time()
    record_ = {
        "title": "Big", "kind": "audit", "rows_in": n, "rows_out": n, "points": big_points(),
        "steps": [{"stage": s, "rows_in": n, "rows_out": n} for s, _ in steps],
        "dataset": dataset_record(raw, raw, steps),
    }  # fmt: skip
    made = time.perf_counter()
    path = write(record_, tmp_path)
    done = time.perf_counter()
    size = path.stat().st_size
    twin = (tmp_path / "report.json").stat().st_size
    facts = {f"bytes_at_{n // 1000}k": size, "json_bytes": twin, "seconds": round(done - started, 2)}
    record("report_size", int(size <= MOST_BYTES), int(size > MOST_BYTES), rows=n, **facts,
           seconds_to_write=round(done - made, 2),
           cpu_seconds=round(time.process_time() - cpu, 2))  # fmt: skip
    assert size <= MOST_BYTES
    words = Page(path.read_text("utf-8")).words
    assert f"The worst 50 of {n // 20:,}" in words and "1,200 of" in words
    assert "2,000 texts sampled evenly" in words or token_counts(["a"]) is None
