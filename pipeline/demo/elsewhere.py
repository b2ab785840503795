"""Off-topic texts: English prose that is no news, out of what is installed beside Python and scikit-learn."""

from __future__ import annotations

import importlib.metadata
import random
import re
from pathlib import Path

OFF_TOPIC_ROWS = 40
DATASETS = ("breast_cancer", "california_housing", "covtype", "diabetes", "digits", "iris", "kddcup99", "lfw",
            "linnerud", "olivetti_faces", "rcv1", "species_distributions", "twenty_newsgroups", "wine_data")
PACKAGES = ("cleanlab", "imbalanced-learn", "numpy", "pandas", "scikit-learn", "scipy", "threadpoolctl",
            "typer")
LEAST_WORDS, MOST_WORDS = 80, 400


def off_topic_texts(rng: random.Random) -> list[tuple[str, str]]:
    """Return 40 (origin, text) pairs of 80 to 400 words, no two from one document.

    The chapters of Python's language reference that `help()` shows, scikit-learn's descriptions of datasets
    and the descriptions of a few packages; what they say changes a little with the versions installed.
    """
    given = {**_datasets(), **_packages()}
    rest = _reference()
    taken = rng.sample(sorted(given), min(len(given), OFF_TOPIC_ROWS // 2))
    taken += rng.sample(sorted(rest), OFF_TOPIC_ROWS - len(taken))
    documents = {**given, **rest}
    return [(origin, _passage(documents[origin], rng)) for origin in taken]


def _passage(text: str, rng: random.Random) -> str:
    """Return 80 to 400 words in a row, with the line breaks they had."""
    ends = [m.end() for m in re.finditer(r"\S+", text)]
    starts = [m.start() for m in re.finditer(r"\S+", text)]
    n = rng.randint(LEAST_WORDS, min(MOST_WORDS, len(ends)))
    first = rng.randint(0, len(ends) - n)
    return text[starts[first] : ends[first + n - 1]]


def _reference() -> dict[str, str]:
    from pydoc_data.topics import topics

    return _usable({f"python:{name}": text for name, text in topics.items()})


def _datasets() -> dict[str, str]:
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "descr"
    files = [f for f in (folder / f"{name}.rst" for name in DATASETS) if f.is_file()]
    return _usable({f"scikit-learn:{f.stem}": f.read_text(encoding="utf-8") for f in files})


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            metadata = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[f"package:{name}"] = str(metadata.json.get("description", ""))
    return _usable(found)


def _usable(documents: dict[str, str]) -> dict[str, str]:
    """Keep documents that are long enough and hold no markup, which is a planted fault of its own."""
    return {name: t for name, t in documents.items() if len(t.split()) >= LEAST_WORDS and "</" not in t}
