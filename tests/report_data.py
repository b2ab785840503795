"""Records with something in every field, for the tests of the report."""

import random

from pipeline.apply import apply, make_children
from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.report import dataset_record


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


def big_dataset(n):
    """n rows of about 600 characters with every kind of finding, one in twenty a doubted label."""
    rng = random.Random(0)
    words = [f"word{k}" for k in range(4000)]
    texts = [" ".join(rng.choices(words, k=80)) for _ in range(n)]
    ids = [f"row-{i:06d}" for i in range(n)]
    rows = {
        "row_id": ids, "text": texts, "label": [f"class {i % 40}" for i in range(n)],
        "site": [f"site {i % 9}" for i in range(n)], "age": [float(i % 91) for i in range(n)],
        "author": [f"author {rng.randrange(n)}" for _ in range(n)],
        "split": ["test" if i % 5 == 0 else "train" for i in range(n)],
    }  # fmt: skip
    raw = Dataset.of(rows, Roles(content=("text",), label="label"), "text")
    doubted, train = ids[1::20], [i for k, i in enumerate(ids) if k % 5]
    copies = [Edit(a, "near_duplicate", 0.1, "flag", "copy", related=[b])
              for a, b in zip(train[::10], train[1::10], strict=True)]  # fmt: skip
    suggested = {i: f"class {k % 40}" for k, i in enumerate(doubted)}
    found = [Edit(i, "label", 0.1, "flag", "labelled x, but y has probability 0.9") for i in doubted]
    far = [Edit(i, "outlier", 0.2, "flag", "far", related=train[:3]) for i in ids[2::50]]
    return raw, [
        ("duplicates", Findings.of("duplicates", copies)),
        ("label_noise", Findings.of("label_noise", found, [("label", train, [0.5] * len(train))],
                                    metrics={"suggested": suggested})),
        ("anomalies", Findings.of("anomalies", far, [("outlier", ids, [0.5] * n)])),
    ]  # fmt: skip


def big_points(n=1200):
    """A map of the rows, as big as it gets."""
    rng = random.Random(1)
    return {
        "rows": 100_000, "shown": n, "stage": "label_noise", "classes": [f"class {k}" for k in range(7)],
        "explained": 0.1, "x": [round(rng.random(), 3) for _ in range(n)],
        "y": [round(rng.random(), 3) for _ in range(n)], "class": [k % 8 - 1 for k in range(n)],
        "split": ["test" if k % 5 == 0 else "train" for k in range(n)],
        "issue": ["label" if k % 20 == 0 else None for k in range(n)],
    }  # fmt: skip
