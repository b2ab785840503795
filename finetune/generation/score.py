"""How close an answer is to the one that was wanted: exact match, and ROUGE-L."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")  # letters and digits of every script; each is lower-cased
_ALONE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # no spaces between words


def exact_match(said: str, wanted: str) -> bool:
    r"""Return whether two answers are the same but for white space at their ends.

    >>> exact_match(" 42\n", "42"), exact_match("42.", "42")
    (True, False)
    """
    return said.strip() == wanted.strip()


def rouge_l(said: str, wanted: str) -> float:
    """Return the F1 of the longest common subsequence of words, in [0, 1]; 1 for two answers without words.

    P = LCS / words said, R = LCS / words wanted, F = 2 P R / (P + R). Lin, ACL 2004; words as in Google's
    rouge_score without stemming, and Chinese and Japanese characters one by one. Cost: O(words^2 / 64).

    >>> round(rouge_l("police kill the gunman", "police killed the gunman"), 3)
    0.75
    """
    one, two = words(said), words(wanted)
    if not one or not two:
        return float(one == two)
    common = common_words(one, two)
    return 2.0 * common / (len(one) + len(two))


def words(text: str) -> list[str]:
    """Return the words of a text, lower-cased.

    >>> words("It's 3 o'clock, 东京!")
    ['it', 's', '3', 'o', 'clock', '东', '京']
    """
    return _WORD.findall(_ALONE.sub(lambda m: f" {m[0]} ", text.lower()))


def common_words(one: Sequence[str], two: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, a bit a word. Hyyrö, AWOCA 2004.

    >>> common_words("abcbdab", "bdcaba")
    4
    """
    places: dict[str, int] = {}
    for i, word in enumerate(one):
        places[word] = places.get(word, 0) | (1 << i)
    whole = (1 << len(one)) - 1
    row = whole
    for word in two:
        hit = row & places.get(word, 0)
        row = ((row + hit) | (row - hit)) & whole
    return len(one) - row.bit_count()
