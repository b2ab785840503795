"""The report: inert, complete, adds up, bounded, and the same for the same rows."""

import json
from html.parser import HTMLParser

import pytest

from pipeline.apply import apply, make_children
from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.report import dataset_record, write
from pipeline.report.page import MOST_BYTES, render
from pipeline.report.record import classes_of
from pipeline.report.visible import visible

PAYLOADS = [
    "<script>window.PWN=1</script>",
    '"><img src=x onerror=window.PWN=1>',
    "' onmouseover='window.PWN=1",
    "</title></style></svg><svg onload=window.PWN=1>",
    "javascript:window.PWN=1",
    "</textarea><iframe srcdoc='<script>PWN</script>'>",
    "{{ 7*7 }}{% raw %}<b>",
    "<a href='http://evil.example/?q=1'>x</a><link rel=stylesheet href=//evil.example>",
    "\u202e\u2066gpj.exe\u200b\x00\x1b[31m\ud800",
]


class Page(HTMLParser):
    """What a browser would make of the page: its elements and attributes."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join("".join(self.text).split())


def small_dataset(label="label", text="text", evil=""):
    rows = {
        "row_id": [f"r{i}{evil}" for i in range(12)],
        text: [f"the quick brown fox number {i} jumps over the lazy dog {evil}" for i in range(12)],
        label: [f"{'ab'[i % 2]}{evil}" for i in range(12)],
        "split": ["train"] * 9 + ["test"] * 3,
    }
    return Dataset.of(rows, Roles(content=(text,), label=label), "text")


def curated_with(raw, evil="", issue=""):
    ids, label, text = list(raw.ids), raw.roles.label, raw.roles.content[0]
    train = [i for i in ids if raw.splits[raw.position[i]] == "train"]
    cell = dict(zip(ids, raw.table[text].to_pylist(), strict=True))
    steps, data = [], raw

    def step(stage, findings, touches="train"):
        nonlocal data
        steps.append((stage, findings))
        data = apply(data, findings, touches)

    step(
        "clean",
        Findings.of(
            "clean",
            [
                Edit(
                    train[0],
                    "malformed" + issue,
                    0.0,
                    "set",
                    "tidied" + evil,
                    text,
                    cell[train[0]],
                    "tidy" + evil,
                )
            ],
        ),
        "all",
    )
    step(
        "duplicates",
        Findings.of(
            "duplicates",
            [
                Edit(
                    train[1],
                    "near_duplicate" + issue,
                    0.1,
                    "drop",
                    "copy of another" + evil,
                    related=[train[2]],
                )
            ],
        ),
    )
    old = data.labels[data.position[train[3]]]
    new = data.labels[data.position[train[4]]]
    step(
        "label_noise",
        Findings.of(
            "label_noise",
            [
                Edit(train[3], "label", 0.05, "set", "wrong" + evil, label, old, new),
                Edit(train[5], "label", 0.2, "drop", "doubtful" + evil),
            ],
            metrics={
                "suggested": {train[5]: "b" + evil},
                "precision": {"word": "estimated" + evil, "value": 0.962},
            },
        ),
    )
    step(
        "anomalies",
        Findings.of(
            "anomalies",
            [Edit(train[6], "outlier", 0.0, "flag", "far away" + evil)],
            [("outlier", train[6:], [0.0, 0.5, 0.9])],
            metrics={"threshold": 0.1},
        ),
    )
    child = make_children(data, [{"parents": [train[7]], text: "a new text" + evil}], "augment", "{}")
    step(
        "augment",
        Findings.of(
            "augment",
            [
                Edit(child["row_id"][0].as_py(), "augmented", 1.0, "add", "made" + evil, related=[train[7]]),
                Edit(None, "class_imbalance", 0.5, "flag", "uneven" + evil),
            ],
            added=child,
        ),
    )
    return data, steps


def facts(raw, steps):
    data, out = raw, []
    for stage, findings in steps:
        after = apply(data, findings, "all" if stage == "clean" else "train")
        actions = findings.edits["action"].to_pylist()
        out.append(
            {
                "round": 1,
                "stage": stage,
                "skipped": None,
                "rows_in": data.n_rows,
                "rows_out": after.n_rows,
                "dropped": actions.count("drop"),
                "added": actions.count("add"),
                "changed": actions.count("set"),
                "flagged": actions.count("flag"),
                "issues": findings.counts(),
                "seconds": 0.5,
                "cached": False,
                "settings": {"threshold": 0.5},
            }
        )
        data = after
    return out


def evaluation(evil="", classes=("a", "b"), value=0.812):
    k = len(classes)
    number = {"value": value, "low": value - 0.05, "high": value + 0.05}
    return {
        "method": "probe" + evil,
        "model": "MiniLM" + evil,
        "split": "test" + evil,
        "n": 200,
        "metrics": {
            "macro_f1": number,
            "accuracy": 0.9,
            "ece": number,
            "roc_auc": {"value": None, "why": evil},
            "own" + evil: 0.5,
        },
        "per_class": [
            {"class": c, "precision": 0.8, "recall": number, "f1": number, "support": 9} for c in classes
        ],
        "confusion": {
            "classes": list(classes),
            "counts": [[int(i == j) for j in range(k)] for i in range(k)],
        },
        "calibration": [{"low": 0.8, "high": 0.9, "confidence": 0.85, "accuracy": 0.7, "n": 20}],
        "slices": [
            {
                "slice": "topic=x" + evil,
                "n": 10,
                "metric": "recall",
                "value": 0.4,
                "low": 0.2,
                "high": 0.6,
                "rest": 0.9,
                "weak": True,
                "because": "worse" + evil,
            }
        ],
    }


def full_record(evil="", issue=""):
    raw = small_dataset("label" + evil, "text" + evil, evil)
    curated, steps = curated_with(raw, evil, issue)
    compared = {
        "metric": "macro_f1",
        "raw": 0.741,
        "curated": 0.812,
        "difference": 0.071,
        "low": 0.022,
        "high": 0.12,
        "replicates": 2000,
        "rows": 200,
        "method": "paired bootstrap" + evil,
        "verdict": "proved",
        "also": {"accuracy": {"difference": 0.013, "low": -0.01, "high": 0.04}},
    }
    return {
        "title": "News" + evil,
        "kind": "run",
        "created": "2026-11-23" + evil,
        "seed": 7,
        "versions": {"assay": "0.1" + evil, "x" + evil: "1"},
        "command": "assay run x" + evil,
        "method": "probe" + evil,
        "recipe_digest": "d" + evil,
        "workspace": "w" + evil,
        "modality": "text",
        "root": raw.fingerprint,
        "curated": curated.fingerprint,
        "rows_in": raw.n_rows,
        "rows_out": curated.n_rows,
        "guesses": ["guessed" + evil],
        "notes": ["noted" + evil],
        "quarantine": [{"file": "f.csv" + evil, "line": 3, "reason": "broken" + evil, "raw": "a,b" + evil}],
        "steps": [
            *facts(raw, steps),
            {
                "round": 1,
                "stage": "select" + evil,
                "skipped": "no budget" + evil,
                "rows_in": curated.n_rows,
                "rows_out": curated.n_rows,
                "settings": {"k" + evil: "v" + evil},
            },
        ],
        "dataset": dataset_record(raw, curated, steps),
        "rounds": [
            {
                "round": 1,
                "changes": ["because of that" + evil],
                "accepted": True,
                "verdict": "proved" + evil,
                "because": "better" + evil,
                "comparison": compared,
                "curated": "c",
            }
        ],
        "evaluation": {
            "raw": evaluation(evil, value=0.741),
            "curated": evaluation(evil),
            "split": "test" + evil,
            "comparison": compared,
        },
        "planted": [
            {
                "fault": "noise" + evil,
                "planted": 60,
                "found": 57,
                "precision": 0.934,
                "recall": 0.95,
                "average_precision": None,
                "how": "by id" + evil,
            }
        ],
        "next": [{"what": "look" + evil, "command": "assay why x" + evil}],
    }


@pytest.fixture(scope="module")
def page():
    return Page(render(full_record()))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_in_any_field_becomes_markup(payload):
    clean = payload.encode("utf-8", "replace").decode()  # Arrow holds no lone surrogate
    html = render(full_record(clean, issue=clean))
    plain = Page(render(full_record("x", issue="x")))
    seen = Page(html)
    allowed = {(tag, name) for tag, attrs in plain.elements for name in attrs}
    assert {tag for tag, _ in seen.elements} <= {tag for tag, _ in plain.elements}
    assert {(tag, name) for tag, attrs in seen.elements for name in attrs} <= allowed
    for _, attrs in seen.elements:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("href", "src", "style", "id", "class"):
            assert "PWN" not in (attrs.get(name) or "") and "evil" not in (attrs.get(name) or "")
    assert visible(clean) in "".join(seen.text)  # shown, not swallowed
    for char in "\u202e\u2066\u200b\x00\x1b":
        assert char not in html


def test_a_lone_surrogate_is_shown_and_written(tmp_path):
    record = {"title": "odd \ud800 title", "steps": []}
    assert "⟨U+D800⟩" in write(record, tmp_path).read_text("utf-8")
    assert json.loads((tmp_path / "report.json").read_text())["title"] == record["title"]


def test_the_page_holds_no_script_and_loads_nothing(page):
    assert not {"script", "iframe", "object", "embed", "form", "img", "base"} & {
        tag for tag, _ in page.elements
    }
    links = [
        attrs[a] for _, attrs in page.elements for a in ("href", "src", "srcset", "xlink:href") if a in attrs
    ]
    assert links and all(link.startswith("#") or link == "data:," for link in links)
    assert "url(" not in render(full_record()) and "@import" not in render(full_record())


def test_the_policy_forbids_everything_but_own_styles(page):
    policy = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_link_inside_the_page_has_a_target(page):
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in page.elements if tag == "a"} <= set(ids)
    for _, attrs in page.elements:
        assert set((attrs.get("aria-labelledby") or "").split()) <= set(ids)


def test_the_page_says_what_the_record_says(page):
    for words in (
        "proved",
        "+7.1 points",
        "+2.2",
        "+12.0",
        "which excludes zero",
        "12 → 11",
        "near_duplicate",
        "given",
        "suggested",
        "topic=x",
        "because of that",
        "93.4 %",
        "95.0 %",
        "f.csv",
        "guessed",
        "96.2 %, estimated",
        "noted",
        "skipped: no budget",
        "assay why x",
        "threshold 0.1",
        "0.741",
        "0.812",
    ):
        assert words in page.words, words


def test_the_twin_has_the_same_numbers(tmp_path):
    record = full_record()
    path = write(record, tmp_path)
    twin = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert path == tmp_path / "report.html" and twin["schema_version"] == 1
    assert twin["evaluation"] == record["evaluation"] and twin["dataset"] == record["dataset"]
    assert render(twin) == path.read_text("utf-8")


def test_numbers_that_are_not_finite_become_null(tmp_path):
    record = {
        **full_record(),
        "evaluation": {"curated": {**evaluation(), "metrics": {"roc_auc": float("nan")}}},
    }
    write(record, tmp_path)
    twin = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert twin["evaluation"]["curated"]["metrics"]["roc_auc"] is None


def test_rows_that_add_up_are_said_to(page):
    assert "Adds up. 12 − 2 dropped + 1 added = 11 rows" in page.words


@pytest.mark.parametrize("key", ["rows_out", "dropped", "added", "rows_in"])
def test_rows_that_do_not_add_up_are_said_not_to(key):
    record = full_record()
    record["steps"][1][key] += 1
    assert "The rows do not add up. duplicates:" in Page(render(record)).words


def test_a_curated_dataset_of_another_size_than_the_last_stage_left_is_noticed():
    assert "the curated data have 10" in Page(render({**full_record(), "rows_out": 10})).words


def test_two_rounds_add_up_as_one_line():
    record = full_record()
    last = record["steps"][-1]["rows_out"]
    second = [{**s, "round": 2, "dropped": 0, "added": 0, "rows_in": last, "rows_out": last} for s in record["steps"]]
    record["steps"] += second
    words = Page(render(record)).words
    assert "do not add up" not in words and "made anew each round" in words
    record["steps"][-1]["rows_in"] += 1
    assert "do not add up" in Page(render(record)).words


def test_an_audit_without_evaluation_renders():
    record = full_record()
    audit = {k: record[k] for k in ("title", "steps", "dataset", "rows_in")} | {"kind": "audit"}
    words = Page(render(audit)).words
    assert "audit only" in words and "An audit changes nothing" in words and "Evaluation" not in words


def test_a_record_with_nothing_but_a_title_renders_and_says_what_was_checked():
    steps = [
        {"stage": "quality", "rows_in": 5, "rows_out": 5},
        {"stage": "anomalies", "rows_in": 5, "rows_out": 5, "skipped": "5 rows are too few"},
    ]
    record = {"title": "Tiny", "kind": "audit", "steps": steps, "dataset": {"issues": []}}
    words = Page(render(record)).words
    assert (
        "Nothing was found." in words
        and "quality: ran" in words
        and "anomalies: skipped, 5 rows are too few" in words
    )
    assert "Tiny" in Page(render({"title": "Tiny", "steps": []})).words


@pytest.mark.parametrize("missing", ["title", "steps"])
def test_a_record_without_title_or_steps_is_refused(tmp_path, missing):
    with pytest.raises(ValueError, match=missing):
        write({k: v for k, v in {"title": "t", "steps": []}.items() if k != missing}, tmp_path)


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
    issue = record["dataset"]["issues"][0]
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
