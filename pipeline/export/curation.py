"""What a run did to a dataset, and what is known to be wrong with the result: sentences from the ledger."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
from pipeline.export.markdown import code, table_lines
from pipeline.export.origin import Origin

ACTIONS = {"drop": "dropped", "set": "changed", "add": "added", "flag": "flagged, left in"}


def curation_lines(origin: Origin) -> list[str]:
    """Return what each stage dropped, changed, added and only flagged, and what it earned."""
    if origin.ledger is None or origin.root is None:
        return ["No run of this workspace made this dataset, so nothing is known of its curation."]
    root, data = origin.root, origin.dataset
    rows = [[*key, *(f"{n:,}" if n else "" for n in counts)] for key, counts in rows_by_stage(origin).items()]
    lines = [
        f"{root.n_rows:,} rows were read and {data.n_rows:,} are here. These stages ran: "
        f"{', '.join(origin.stages)}. Validation and test rows are not dropped; only `clean` changes them.",
        "",
    ]
    if rows:
        return [*lines, *table_lines(["stage", "issue", *ACTIONS.values()], rows), *_earned(origin.final)]
    return [*lines, "No stage found anything.", *_earned(origin.final)]


def rows_by_stage(origin: Origin) -> dict[tuple[str, str], list[int]]:
    """Return how many rows were dropped, changed, added, flagged, by (stage, issue), in the ledger's order.

    Edits that were not applied are left out; a row is counted once, whatever the number of rounds.
    """
    assert origin.ledger is not None
    found: dict[tuple[str, str], dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    columns = ("stage", "issue", "action", "applied", "row_id")
    if not origin.ledger.num_rows:
        return {}
    for stage, issue, action, applied, row_id in zip(
        *(origin.ledger[c].to_pylist() for c in columns), strict=True
    ):
        if row_id is not None and (applied or (action == "flag" and row_id in origin.dataset.position)):
            found[stage, issue][action].add(row_id)
    return {key: [len(by[action]) for action in ACTIONS] for key, by in found.items()}


def limits(origin: Origin) -> list[str]:
    """Return what is known to be wrong, or not known, with the dataset; a sentence each."""
    data, out = origin.dataset, []
    made = int(np.array([bool(p) for p in data.parents], dtype=bool).sum())
    if made:
        out.append(
            f"{made:,} train rows were made from others (`parents` names them) and are not independent."
        )
    if data.roles.label is not None:
        out += _about_labels(data)
    if origin.ledger is not None:
        left = [(issue, counts[3]) for (_, issue), counts in rows_by_stage(origin).items() if counts[3]]
        if left:
            listed = ", ".join(f"{n:,} {code(issue)}" for issue, n in left)
            out.append(f"Flagged and left in: {listed}.")
        if "label_noise" in origin.stages:
            out.append("How many of the labels found wrong truly are is an estimate.")
        out.append("Labels of validation and test rows are as they came.")
    else:
        out.append(
            "Duplicates, leaks between splits and wrong labels were not looked for in making this export."
        )
    return out


def _about_labels(data: Dataset) -> list[str]:
    labels = data.labels[data.is_train]
    missing = sum(v is None for v in data.labels)
    out = [f"{missing:,} rows have no label."] if missing else []
    names = [str(v) for v in labels if v is not None and not isinstance(v, (list, dict))]
    values, counts = np.unique(np.array(names, dtype=str), return_counts=True)
    if 2 <= len(values) <= 1_000 and counts.max() >= 3 * counts.min():
        most, least = int(np.argmax(counts)), int(np.argmin(counts))
        out.append(f"Train classes are uneven: {code(values[most])} has {counts[most]:,} rows, "
                   f"{code(values[least])} has {counts[least]:,}.")  # fmt: skip
    return out


def _earned(final: dict[str, Any] | None) -> list[str]:
    if not final or not final.get("comparisons"):
        return []
    c = final["comparisons"][0]
    if c.get("difference") is None:
        return []
    return ["", f"Trained on this data rather than on the data as it was read, a model ({code(c['method'])}, "
            f"{c['replicates']} run(s) a side) scored {_change(c)} on the {final['split']} split: "
            f"{c['verdict']}."]  # fmt: skip


def _change(c: dict[str, Any]) -> str:
    if c.get("unit", "points") != "points":
        numbers = f"{c['difference']:+.3f} {c['unit']} [{c['low']:+.3f}, {c['high']:+.3f}]"
        return f"{numbers} of {c['metric']}, less is better,"
    numbers = f"[{100 * c['low']:+.1f}, {100 * c['high']:+.1f}]"
    return f"{100 * c['difference']:+.1f} points of {c['metric']} {numbers}"
