"""Label-preserving variations of a text: nlpaug's character and word operations, one text a call."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from pipeline.modalities.text.options import TextAugment
from pipeline.stage import Missing

# Words that may carry the label by themselves are neither deleted nor misspelt.
_KEPT = r"(?i)^\W*(?:no|not|nor|never|none|nothing|nobody|neither|without|hardly|barely|cannot|\w+n['’]t)\W*$"
_LEAST_WORDS = {"delete_words": 4, "swap_words": 2}  # in a line, for the operation to leave something of it
_PIECE = re.compile(r"\S.*\S|\S")  # a line without its outer spaces


def perturb(text: str, seed: int, options: TextAugment) -> tuple[str, str]:
    """Return a variation of the text and how it was made, a function of (text, seed, options).

    One operation is drawn; it changes about `words_fraction` of at most `max_words` words, in lines drawn at
    random, and leaves all other lines as they are to the last byte. Negations are kept. When an operation
    finds nothing to change the next is tried; the same text and "nothing to change" when none does.
    The global random states are as before afterwards; not for threads. Cost: about 3 ms.

    Raises `Missing` when nlpaug is missing.
    """
    order = random.Random(seed)
    operations = order.sample(options.operations, len(options.operations))
    lines = list(_PIECE.finditer(text))
    order.shuffle(lines)
    with _fenced(seed):
        for operation in operations:
            new, n = _changed(text, lines, operation, options)
            if n:
                return new, f"{operation} on {n} word{'s' if n > 1 else ''} (seed {seed})"
    return text, "nothing to change"


def _changed(text: str, lines: list[re.Match[str]], operation: str, options: TextAugment) -> tuple[str, int]:
    """Return the text after one operation and how many words of it moved, went or are new."""
    budget, pieces, changed = options.max_words, {}, 0
    enough = options.words_fraction * min(budget, sum(len(line[0].split()) for line in lines))
    for line in lines:
        words = line[0].split()
        part = words[:budget]
        budget -= len(part)
        if len(part) < _LEAST_WORDS.get(operation, 1):
            continue
        new = _augmented(" ".join(part), operation, options.words_fraction).split()
        differ = abs(len(part) - len(new)) or sum(a != b for a, b in zip(part, new, strict=True))
        if new and differ:
            pieces[line.span()] = " ".join([*new, *words[len(part):]])
            changed += differ
        if budget < 1 or changed >= enough:
            break
    out, at = [], 0
    for (start, end), piece in sorted(pieces.items()):
        out += [text[at:start], piece]
        at = end
    return "".join([*out, text[at:]]), changed


def _augmented(line: str, operation: str, fraction: float) -> str:
    """Return nlpaug's variation of one line; the line itself where it gives none."""
    result = _augmenter(operation, fraction).augment(line)
    return result[0] if isinstance(result, list) and result and result[0] else line


@cache
def _augmenter(operation: str, fraction: float) -> Any:
    try:
        import nlpaug.augmenter.char as characters
        import nlpaug.augmenter.word as words
    except ImportError as error:
        raise Missing(f'varying texts needs {error.name}: pip install "assay[text]"') from None
    common = {"tokenizer": str.split, "reverse_tokenizer": " ".join, "stopwords_regex": _KEPT}
    of_letters = {**common, "aug_word_p": fraction, "aug_word_max": None, "aug_char_max": 1, "min_char": 4}
    of_words = {**common, "aug_p": fraction, "aug_max": None}
    if operation == "keyboard":
        return characters.KeyboardAug(
            include_special_char=False, include_numeric=False, include_upper_case=False, **of_letters)
    if operation == "swap_letters":
        return characters.RandomCharAug(action="swap", **of_letters)
    if operation == "misspell":
        return _with_sorted_misspellings(words.SpellingAug(**of_words))
    return words.RandomWordAug(action=operation.removesuffix("_words"), **of_words)


def _with_sorted_misspellings(augmenter: Any) -> Any:
    """Give the augmenter a dictionary of its own, in a fixed order: nlpaug's comes out of sets and is shared.

    From right to wrong spellings only, of words of four letters and more ("has" would become "was").
    """
    from nlpaug.model.word_dict import Spelling

    augmenter.model = Spelling(augmenter.dict_path, include_reverse=False)
    augmenter.model.dict = {
        word: sorted(w for w in wrong if len(w) >= 3 and w.replace("'", "").isalpha())
        for word, wrong in augmenter.model.dict.items() if len(word) >= 4}
    return augmenter


@contextmanager
def _fenced(seed: int) -> Iterator[None]:
    """Seed the global generators that nlpaug draws from, and give them back as they were."""
    plain, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002 - nlpaug knows no other
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)  # noqa: NPY002


def perturb_cells(cells: Mapping[str, Any], seed: int, options: TextAugment) -> tuple[dict[str, Any], str]:
    """Vary every text cell of a row, each with a seed of its own."""
    out, how = dict(cells), []
    for k, (column, cell) in enumerate(sorted(cells.items())):
        if isinstance(cell, str) and cell.strip():
            out[column], words = perturb(cell, seed + k, options)
            how.append(words if len(cells) == 1 else f"{column}: {words}")
    return out, "; ".join(how) or "nothing to change"
