"""Words and character n-grams of many texts as 64-bit hashes, compiled with numba; no Python object a token.

Everything is in CSR form: row i owns hashes[offsets[i]:offsets[i + 1]], in the order of the text.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_START = np.uint64(0xCBF29CE484222325)  # FNV-1a, 64 bits
_PRIME = np.uint64(0x100000001B3)
_SPACE = np.uint64(32)


@njit(cache=True, nogil=True, inline="always")
def _mix(h: np.uint64) -> np.uint64:
    """Spread the bits: the finaliser of splitmix64, a bijection."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit(cache=True, nogil=True)
def words(data: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash every word of UTF-8 texts: offsets (n + 1,) int64, hashes (words,) uint64.

    A word is a run of ASCII letters (case ignored), digits and bytes >= 0x80. In the scripts that write no
    spaces between words and take three bytes a letter, U+3000 to U+9FFF, each character is a word.
    Cost: O(bytes), about 0.5 GB/s.
    """
    n = edges.size - 1
    out = np.empty((edges[n] - edges[0]) // 2 + n + 1, np.uint64)  # a word takes two bytes, but for the last
    offsets = np.zeros(n + 1, np.int64)
    m = 0
    for i in range(n):
        h, inside = _START, False
        j, end = edges[i], edges[i + 1]
        while j < end:
            c = data[j]
            if 0xE3 <= c <= 0xE9 and j + 2 < end:
                if inside:
                    out[m] = _mix(h)
                    m += 1
                h = (_START ^ np.uint64(c)) * _PRIME
                h = (h ^ np.uint64(data[j + 1])) * _PRIME
                out[m] = _mix((h ^ np.uint64(data[j + 2])) * _PRIME)
                m += 1
                h, inside = _START, False
                j += 3
                continue
            if 65 <= c <= 90:
                c += np.uint8(32)
            if 97 <= c <= 122 or 48 <= c <= 57 or c >= 128:
                h = (h ^ np.uint64(c)) * _PRIME
                inside = True
            elif inside:
                out[m] = _mix(h)
                m += 1
                h, inside = _START, False
            j += 1
        if inside:
            out[m] = _mix(h)
            m += 1
        offsets[i + 1] = m
    return offsets, out[:m].copy()


@njit(cache=True, nogil=True)
def runs(
    offsets: np.ndarray, hashes: np.ndarray, shortest: int, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hash every run of `shortest` to `longest` successive words. Cost: O(words x longest)."""
    n = offsets.size - 1
    out = np.empty(hashes.size * (longest - shortest + 1), np.uint64)
    run_offsets = np.zeros(n + 1, np.int64)
    m = 0
    for i in range(n):
        end = offsets[i + 1]
        for j in range(offsets[i], end):
            h = np.uint64(0)
            for k in range(min(longest, end - j)):
                h = _mix(h * _PRIME + hashes[j + k])
                if k + 1 >= shortest:
                    out[m] = h
                    m += 1
        run_offsets[i + 1] = m
    return run_offsets, out[:m].copy()


@njit(cache=True, nogil=True)
def characters(
    points: np.ndarray, edges: np.ndarray, shortest: int, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hash every run of characters inside words, each word with one space on either side.

    points : (characters,) uint32 code points. Cost: O(characters x longest).
    """
    n = edges.size - 1
    size = 2 * (edges[n] - edges[0]) + n  # with the padding: a word of one letter has three characters
    out = np.empty(size * (longest - shortest + 1), np.uint64)
    offsets = np.zeros(n + 1, np.int64)
    m = 0
    for i in range(n):
        j, end = edges[i], edges[i + 1]
        while j < end:
            if _is_space(points[j]):
                j += 1
                continue
            start = j
            while j < end and not _is_space(points[j]):
                j += 1
            for first in range(start - 1, j + 1):
                h = _START
                for k in range(min(longest, j + 1 - first)):
                    at = first + k
                    h = (h ^ (np.uint64(points[at]) if start <= at < j else _SPACE)) * _PRIME
                    if k + 1 >= shortest:
                        out[m] = _mix(h)
                        m += 1
        offsets[i + 1] = m
    return offsets, out[:m].copy()


@njit(cache=True, nogil=True, inline="always")
def _is_space(c: np.uint32) -> bool:
    return bool(c == 32 or 9 <= c <= 13 or c == 0x85 or c == 0xA0 or 0x2000 <= c <= 0x200A or c == 0x3000)


@njit(cache=True, nogil=True)
def distinct(offsets: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort each row and keep every hash once.

    The hashes are spread evenly, so one pass that deals them to as many buckets as there are hashes leaves
    little for the insertion sort after it. Cost: O(hashes).
    """
    n = offsets.size - 1
    out = np.empty(hashes.size, np.uint64)
    kept = np.zeros(n + 1, np.int64)
    m = 0
    for i in range(n):
        row = _sorted(hashes[offsets[i] : offsets[i + 1]])
        for j in range(row.size):
            if j == 0 or row[j] != row[j - 1]:
                out[m] = row[j]
                m += 1
        kept[i + 1] = m
    return kept, out[:m].copy()


@njit(cache=True, nogil=True)
def _sorted(values: np.ndarray) -> np.ndarray:
    size = values.size
    bits = max(int(np.ceil(np.log2(max(size, 2)))), 1)
    shift = np.uint64(64 - bits)
    ends = np.zeros((1 << bits) + 1, np.int64)
    for v in values:
        ends[np.int64(v >> shift) + 1] += 1
    for b in range(1 << bits):
        ends[b + 1] += ends[b]
    out = np.empty(size, np.uint64)
    for v in values:
        bucket = np.int64(v >> shift)
        out[ends[bucket]] = v
        ends[bucket] += 1
    for j in range(1, size):
        v, k = out[j], j
        while k > 0 and out[k - 1] > v:
            out[k] = out[k - 1]
            k -= 1
        out[k] = v
    return out
