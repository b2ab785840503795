"""The desk at which a person reviews: items in order, and decisions, on disk before they are shown."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.report.visible import visible
from pipeline.review.decisions import VERBS, Decision, read_decisions, write_decisions
from pipeline.review.items import SIDE_PX, Item, Origin
from pipeline.review.nearby import nearby
from pipeline.store import Busy, Store

SMALL_PX = 96  # a side of the pictures of nearest rows
MOST_CHARS = 20_000  # of a text that are sent to the page


class Desk:
    """Items to look at and the decisions on them; safe to use from several threads."""

    def __init__(self, found: Origin, items: Sequence[Item], path: Path, store: Store, reviewer: str) -> None:
        self.found, self.items, self.path, self.reviewer = found, list(items), path, reviewer
        self._near = nearby(found, store)
        self._lock = threading.Lock()
        self._decisions = {d.row_id: d for d in read_decisions(path)} if path.exists() else {}

    @property
    def state(self) -> dict[str, Any]:
        """All that the page shows, as plain values."""
        with self._lock:
            decisions = {row_id: _plain(d) for row_id, d in self._decisions.items()}
        return {"pictures": self.pictures,
                "name": self.found.name, "file": str(self.path), "labels": self.found.labels,
                "items": [self._item(i) for i in self.items], "decisions": decisions}  # fmt: skip

    @cached_property
    def pictures(self) -> bool:
        """Whether rows are pictures: the page asks for each when it shows it."""
        return any(self.found.picture(item.row_id, SMALL_PX) for item in self.items[:5])

    def picture(self, row_id: str, small: bool) -> str:
        """Return a row's picture as a data: URI, "" where there is none. Raises `ValueError`."""
        if row_id not in self.found.data.position:
            raise ValueError(f"no row {row_id!r}")
        return self.found.picture(row_id, SMALL_PX if small else SIDE_PX)

    @property
    def counts(self) -> dict[str, int]:
        """How many decisions of each kind the file holds."""
        return {verb: sum(d.decision == verb for d in self._decisions.values()) for verb in VERBS}

    def decide(self, wanted: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Take decisions (an empty one takes a row's decision back), write the file, return what now stands.

        Raises `ValueError` for an unknown row, verb or label; nothing is changed then.
        """
        with self._lock:
            changed = dict(self._decisions)
            for one in wanted:
                row_id, verb = _string(one, "row_id"), _string(one, "decision")
                label, note = _string(one, "new_label"), _string(one, "note")
                if row_id not in self.found.splits:
                    raise ValueError(f"no row {row_id!r}")
                if verb and verb not in VERBS:
                    raise ValueError(f"decision {verb!r} is none of {', '.join(VERBS)}")
                if (verb == "relabel") != bool(label) or (label and label not in self.found.labels):
                    raise ValueError(f"{verb or 'no decision'} with label {label!r}")
                changed.pop(row_id, None)
                if verb:
                    changed[row_id] = Decision(row_id, verb, label, note, self.reviewer)
            write_decisions(self.path, changed.values())
            self._decisions = changed
            rows = [one["row_id"] for one in wanted]
            return {r: _plain(changed[r]) if r in changed else None for r in rows}

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the decisions file for this desk alone. Raises `Busy` when another one has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Busy(f"{self.path} is open in another assay review serve (end it first)") from None
            yield

    def _item(self, item: Item) -> dict[str, Any]:
        near = [{"row_id": i, "label": label, "text": _shown(self.found.text(i))[:400]}
                for i, label in self._near(item.row_id)]  # fmt: skip
        twin = None
        if item.twin:
            text, label = _shown(self.found.text(item.twin)), self.found.given(item.twin)
            twin = {"row_id": item.twin, "label": label, "split": self.found.splits[item.twin], "text": text}
        return {**item._asdict(), "text": _shown(item.text), "twin": twin, "near": [] if twin else near}


def _plain(decision: Decision) -> dict[str, str]:
    return {name: getattr(decision, name) for name in ("decision", "new_label", "note")}


def _string(one: dict[str, Any], name: str) -> str:
    value = one.get(name, "")
    if not isinstance(value, str) or len(value) > 10_000:
        raise ValueError(f"{name} must be a text of at most 10,000 characters")
    return value


def _shown(text: str) -> str:
    """Return the text as it can be looked at: direction and control characters visible, lines as they are."""
    more = f"\n… and {len(text) - MOST_CHARS:,} characters more" if len(text) > MOST_CHARS else ""
    return "\n".join(visible(line) for line in text[:MOST_CHARS].split("\n")) + more
