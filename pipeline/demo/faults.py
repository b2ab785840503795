"""Faults planted into a text corpus: skew, near copies, off-topic rows, wrong labels, mojibake, HTML."""

from __future__ import annotations

import html
import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.demo.elsewhere import off_topic_texts

SKEW = 8  # rows of the largest train class for each row of the smallest, geometric between
COPIES_PER_PER_CENT = 30  # near copies with 1, 2, ... 10 % of their words changed
MOST_PER_CENT = 10
WRONG_LABEL_FRACTION = 0.2  # of on-topic train rows; half uniformly, half as a weak model confuses them
MOJIBAKE_FRACTION = HTML_FRACTION = 0.03  # of all rows, held-out ones too
WEAK_WORDS = 30

Truth = dict[str, Any]


@dataclass
class Row:
    """A row in the making: `text` and `true` are what is true, `cell` and `label` what is written."""

    key: str
    text: str
    cell: str
    true: str | None
    label: str
    split: str
    origin: str = "bbc"


def plant(rows: list[Row], truth: Truth, seed: int) -> list[Row]:
    """Return the rows with all faults, and record each in `truth` by row key.

    First classes are skewed by dropping train rows; then 300 near copies of train rows are added (30 of each
    per cent from 1 to 10; half of the changes replace a word by one of another document, a quarter delete, a
    quarter insert); then 40 off-topic rows with a random label; then 20 % of the train labels are changed.
    Last, 3 % of all rows, held-out ones too, are written as mojibake and another 3 % with HTML remains.
    """
    rng = random.Random(f"{seed}:faults")
    rows = _skewed(sorted(rows, key=lambda r: r.key), rng)
    truth["class_counts"]["after"] = train_counts(rows)
    rows += _near_copies(rows, truth, rng)
    classes = sorted({r.label for r in rows})
    off_topic = off_topic_texts(rng)
    truth["off_topic"] = {}
    for k, (origin, text) in enumerate(off_topic):
        rows.append(Row(f"off-topic/{k}", text, text, None, rng.choice(classes), "train", "elsewhere"))
        truth["off_topic"][f"off-topic/{k}"] = origin
    _wrong_labels(rows, classes, truth, rng)
    _dirty(rows, truth, rng)
    return rows


def train_counts(rows: Sequence[Row]) -> dict[str, int]:
    """Count the train rows of each class."""
    return dict(Counter(r.label for r in rows if r.split == "train"))


def _skewed(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    counts = train_counts(rows)
    ranked = sorted(counts, key=lambda c: (-counts[c], c))
    kept = {r.key for r in rows if r.split != "train"}
    for rank, label in enumerate(ranked):
        target = round(counts[ranked[0]] * SKEW ** (-rank / (len(ranked) - 1)))
        keys = [r.key for r in rows if r.split == "train" and r.label == label]
        kept.update(rng.sample(keys, min(target, len(keys))))
    return [r for r in rows if r.key in kept]


def _near_copies(rows: Sequence[Row], truth: Truth, rng: random.Random) -> list[Row]:
    train = [r for r in rows if r.split == "train"]
    words = {r.key: r.text.split() for r in train}
    sources = rng.sample(train, COPIES_PER_PER_CENT * MOST_PER_CENT)
    truth["near_duplicates"], copies = {}, []
    for k, source in enumerate(sources):
        per_cent = 1 + k % MOST_PER_CENT
        others = [r.key for r in train if r.key != source.key]
        n_words = len(words[source.key])
        edits = max(1, round(n_words * per_cent / 100))
        text = changed(source.text, edits, [rng.choice(words[rng.choice(others)]) for _ in range(edits)], rng)
        copies.append(Row(f"near/{k}", text, text, source.true, source.label, "train"))
        truth["near_duplicates"][f"near/{k}"] = {
            "source": source.key, "per_cent": per_cent, "edits": edits, "words": n_words}
    return copies


def changed(text: str, edits: int, words: Sequence[str], rng: random.Random) -> str:
    """Return a text with `edits` of its words replaced (one in two), deleted or preceded by a new one.

    >>> changed("one two three", 1, ["six"], random.Random(0))
    'one six two three'
    """
    parts = re.findall(r"\S+|\s+", text)
    places = rng.sample([i for i, part in enumerate(parts) if not part.isspace()], edits)
    for place, word in zip(places, words, strict=True):
        how = rng.choices(("replace", "delete", "insert"), (2, 1, 1))[0]
        parts[place] = {"replace": word, "delete": "", "insert": f"{word} {parts[place]}"}[how]
    return re.sub(r" {2,}", " ", "".join(parts))


def _wrong_labels(rows: Sequence[Row], classes: Sequence[str], truth: Truth, rng: random.Random) -> None:
    train = [r for r in rows if r.split == "train" and r.origin == "bbc"]
    confused = _weak_model(train, classes)
    wrong = rng.sample(train, round(WRONG_LABEL_FRACTION * len(train)))
    truth["labels"] = {}
    for k, row in enumerate(wrong):
        others = [c for c in classes if c != row.true]
        how = "uniform" if k % 2 == 0 else "confused"
        row.label = rng.choice(others) if how == "uniform" else confused(row.text, others)
        truth["labels"][row.key] = {"true": row.true, "given": row.label, "how": how}


def _weak_model(train: Sequence[Row], classes: Sequence[str]) -> Any:
    """Return multinomial naive Bayes on the 30 most frequent words of four letters or more."""
    everywhere: Counter[str] = Counter()
    by_class: dict[str, Counter[str]] = {c: Counter() for c in classes}
    for row in train:
        found = _long_words(row.text)
        everywhere.update(found)
        by_class[str(row.true)].update(found)
    vocabulary = sorted(everywhere, key=lambda w: (-everywhere[w], w))[:WEAK_WORDS]
    prior = Counter(str(r.true) for r in train)
    weight = {}
    for c in classes:
        total = sum(by_class[c][w] for w in vocabulary) + len(vocabulary)
        weight[c] = {w: math.log((by_class[c][w] + 1) / total) for w in vocabulary}

    def likeliest(text: str, among: Sequence[str]) -> str:
        counts = Counter(w for w in _long_words(text) if w in weight[among[0]])
        likelihood = {c: sum(n * weight[c][w] for w, n in counts.items()) for c in among}
        return max(among, key=lambda c: (math.log(prior[c]) + likelihood[c], c))

    return likeliest


def _long_words(text: str) -> list[str]:
    return re.findall(r"[a-z]{4,}", text.lower())


def _dirty(rows: Sequence[Row], truth: Truth, rng: random.Random) -> None:
    able = [r for r in rows if r.origin == "bbc" and typographic(r.text) != r.text]
    n_mojibake, n_html = round(MOJIBAKE_FRACTION * len(rows)), round(HTML_FRACTION * len(rows))
    chosen = rng.sample(able, n_mojibake + n_html)
    truth["mojibake"], truth["html"] = {}, {}
    for row in chosen[:n_mojibake]:
        row.text = truth["mojibake"][row.key] = typographic(row.text)
        row.cell = row.text.encode("utf-8").decode("cp1252")
    for row in chosen[n_mojibake:]:
        truth["html"][row.key] = row.text
        row.cell = marked_up(row.text)


def typographic(text: str) -> str:
    """Return a text with curly apostrophes and long dashes; it also changes where there is a pound sign.

    >>> typographic("It's - well - £5")
    'It’s – well – £5'
    """
    return text.replace("'", "’").replace(" - ", " – ")


def marked_up(text: str) -> str:
    r"""Return a text as a careless scraper leaves it: paragraphs and line breaks as tags, signs as entities.

    >>> marked_up("A & B\n\n£5")
    '<p>A &amp; B</p><br />\n<p>&pound;5</p>'
    """
    paragraphs = [html.escape(p).replace("£", "&pound;") for p in re.split(r"\n{2,}", text.strip())]
    return "<br />\n".join(f"<p>{p}</p>" for p in paragraphs)
