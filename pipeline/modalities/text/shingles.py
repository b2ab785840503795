"""The set of word 3-grams of each text: how near two texts are is the Jaccard similarity of their sets."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.modalities import Shingles
from pipeline.modalities.text import tokens
from pipeline.modalities.text.columns import buffers, joined

WORDS = 3  # a shingle
_ROWS = 16_384  # rows hashed at a time: bounds the memory that words take


def shingles(content: pa.Table) -> Shingles:
    """Hash the word 3-grams of every row.

    A text of one or two words has one shingle, all its words; a text without words the hash of its bytes;
    an empty text none. Case, punctuation and spacing do not count. A collision of two different shingles
    has probability 2^-64 a pair. Broder, "On the resemblance and containment of documents", 1997.
    Cost: O(bytes + shingles log shingles), about 12 bytes of memory a shingle.

    >>> sets = shingles(pa.table({"text": ["The cat sat.", "the CAT sat", None, "a b c d"]}))
    >>> sets.offsets.tolist(), bool(sets.hashes[0] == sets.hashes[1])
    ([0, 1, 2, 2, 4], True)
    """
    data, edges = buffers(joined(content))
    n = len(edges) - 1
    offsets, parts = np.zeros(n + 1, np.int64), []
    for start in range(0, n, _ROWS):
        of_rows, hashes = _sets(data, edges[start : start + _ROWS + 1])
        offsets[start + 1 : start + len(of_rows)] = offsets[start] + of_rows[1:]
        parts.append(hashes)
    return Shingles(offsets, np.concatenate(parts) if parts else np.zeros(0, np.uint64))


def _sets(data: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    word_offsets, word_hashes = tokens.words(data, edges)
    return tokens.distinct(*_grams(word_offsets, word_hashes, data, edges))


@njit(cache=True, nogil=True)
def _grams(
    offsets: np.ndarray, words: np.ndarray, data: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n = offsets.size - 1
    out = np.empty(words.size + n, np.uint64)
    gram_offsets = np.zeros(n + 1, np.int64)
    m = 0
    for i in range(n):
        start, end = offsets[i], offsets[i + 1]
        for j in range(start, max(end - WORDS + 1, min(start + 1, end))):
            h = np.uint64(0)
            for k in range(j, min(j + WORDS, end)):
                h = _combined(h, words[k])
            out[m] = h
            m += 1
        if start == end:
            h, visible = np.uint64(0), False
            for b in range(edges[i], edges[i + 1]):
                if data[b] > 32:
                    h, visible = _combined(h, np.uint64(data[b])), True
            if visible:
                out[m] = h
                m += 1
        gram_offsets[i + 1] = m
    return gram_offsets, out[:m].copy()


@njit(cache=True, nogil=True, inline="always")
def _combined(h: np.uint64, word: np.uint64) -> np.uint64:
    h = (h ^ word) * np.uint64(0x9E3779B97F4A7C15)
    return h ^ (h >> np.uint64(29))
