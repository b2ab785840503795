"""Keys: what a kept result depends on, part by part, so that a result made again can say why.

A key is the digest of its parts: settings (defaults included), data, signals, code. Its parts are kept in the
manifest beside the result.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline.commit import MANIFEST, unsealed

DIGEST = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True)
class Key:
    """What a result depends on.

    what : the kind of result, for people: `duplicates`, `embeddings`, `judge validation`.
    parts : everything it depends on, by name, JSON-able.

    >>> Key("clean", {"seed": 0}).digest == Key("clean", {"seed": 1}).digest
    False
    """

    what: str
    parts: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """32 hex digits over what and parts."""
        text = json.dumps([self.what, self.parts], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest holds of it."""
        return {"what": self.what, "parts": json.loads(json.dumps(self.parts, default=str))}


def why_computed(folder: Path, key: Key) -> str:
    """Say what is not as it was when the most similar result of this kind was kept in `folder`."""
    manifests = [(p.stat().st_mtime, unsealed(p)["depends"]) for p in folder.glob(f"*/{MANIFEST}")]
    kept = [(at, d["parts"]) for at, d in manifests if d and d["what"] == key.what]
    if not kept:
        return f"{key.what}: nothing of it is kept in this workspace yet"
    newest_first = sorted(kept, key=itemgetter(0), reverse=True)
    fewest = min((differences(parts, key.parts) for _, parts in newest_first), key=len)
    return f"{key.what} runs again: {'; '.join(fewest) or 'what was kept is damaged or gone'}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say which parts of a key are not what they were.

    >>> differences({"data": "aa", "settings": {"n": 1}}, {"data": "aa", "settings": {"n": 2}})
    ['settings.n: 1 -> 2']
    """
    one, two = dict(_flat(old)), dict(_flat(json.loads(json.dumps(new, default=str))))
    names = sorted({*one, *two}, key=lambda n: (n.count("."), n))
    changed = [n for n in names if (n in one) != (n in two) or one[n] != two[n]]
    return [f"{n}: {_change(one.get(n), two.get(n))}" for n in changed]


def _flat(parts: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(parts, Mapping) and parts:
        for name, value in parts.items():
            yield from _flat(value, f"{at}.{name}" if at else str(name))
    else:
        yield at, parts


def _change(old: Any, new: Any) -> str:
    """Return a change for people; a digest tells them nothing but that it is another."""
    if any(isinstance(v, str) and DIGEST.fullmatch(v) for v in (old, new)):
        return "changed"
    return f"{_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
