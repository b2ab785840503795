"""Lay one thumbnail over another and say how well their details agree: Gauss-Newton in numba.

The model is B(c + s (x - c) + t) ~ A(x): a shift t and one scale s, as cropping makes them, with free gain
and offset. Baker & Matthews, "Lucas-Kanade 20 years on", IJCV 2004.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

STEPS = 8
_HOPELESS = 0.4  # correlation of the smooth pictures below which nothing is tried
_STALLED = 0.97  # below this a step that gains little is the last
_LEAST_SCALE, _MOST_SHIFT_PX = 0.9, 3.0
_SLACK_PX = 0.6  # by which a crop may seem to stick out
_MOST_CHANGE = 0.26  # of log contrast and log brightness: 30 %


@njit(cache=True, nogil=True, fastmath=True)
def agreement(
    left: np.ndarray, right: np.ndarray, mirrored: np.ndarray,
    smooth_a: np.ndarray, smooth_b: np.ndarray, detail_a: np.ndarray, detail_b: np.ndarray,
) -> np.ndarray:
    """(m,) correlation of the details of each pair once laid over each other; -1 where that fails.

    It fails where the pictures do not come to lie on each other as a picture and its copy do: the same scale
    both ways, neither sticking out of the other, contrast and brightness within 30 %.
    """
    out = np.full(left.size, -1.0)
    size = smooth_a.shape[1]
    a, b = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    place = np.empty(3)
    for m in range(left.size):
        a[:], b[:] = smooth_a[left[m]], smooth_b[right[m]]
        if mirrored[m]:
            b[:] = smooth_b[right[m]][:, ::-1]
        if not _align(a, b, place) or not _fits(a, b, place):
            continue
        a[:], b[:] = detail_a[left[m]], detail_b[right[m]]
        if mirrored[m]:
            b[:] = detail_b[right[m]][:, ::-1]
        out[m] = _moments(a, b, place, True)[0]
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _align(a: np.ndarray, b: np.ndarray, place: np.ndarray) -> bool:
    """Write the best (t_x, t_y, s) into `place`; false where the pictures are too far apart to try."""
    here = np.array([0.0, 0.0, 1.0])
    best, last = -2.0, -2.0
    for step in range(STEPS + 1):
        correlation, mean_a, mean_b, _, _ = _moments(a, b, here, False)
        if correlation > best:
            best = correlation
            place[:] = here
        gain = correlation - last
        if correlation < _HOPELESS or step == STEPS or gain < (0.002 if correlation < _STALLED else 1e-5):
            break
        last = correlation
        if not _step(a, b, here, mean_a, mean_b):
            break
    return best >= _HOPELESS


@njit(cache=True, nogil=True, fastmath=True)
def _step(a: np.ndarray, b: np.ndarray, place: np.ndarray, mean_a: float, mean_b: float) -> bool:
    """Move `place` by one Gauss-Newton step over (t_x, t_y, s, gain, offset); false where it runs away."""
    size = a.shape[0]
    c, s = (size - 1) / 2, place[2]
    normal, slope, j = np.zeros((5, 5)), np.zeros(5), np.zeros(5)
    for y in range(1, size - 1):
        v = c + s * (y - c) + place[1]
        if v < 1.0 or v > size - 2.001:
            continue
        for x in range(1, size - 1):
            u = c + s * (x - c) + place[0]
            if u < 1.0 or u > size - 2.001:
                continue
            j[0] = (_between(b, u + 1.0, v) - _between(b, u - 1.0, v)) / 2
            j[1] = (_between(b, u, v + 1.0) - _between(b, u, v - 1.0)) / 2
            j[2] = j[0] * (x - c) + j[1] * (y - c)
            j[3] = _between(b, u, v) - mean_b
            j[4] = 1.0
            rest = (a[y, x] - mean_a) - j[3]
            for k in range(5):
                slope[k] += j[k] * rest
                for m in range(k, 5):
                    normal[k, m] += j[k] * j[m]
    for k in range(5):
        normal[k, k] = normal[k, k] * 1.001 + 1e-3
        for m in range(k):
            normal[k, m] = normal[m, k]
    move = np.linalg.solve(normal, slope)
    for k in range(3):
        place[k] += move[k]
    return (abs(place[0]) <= _MOST_SHIFT_PX and abs(place[1]) <= _MOST_SHIFT_PX
            and _LEAST_SCALE <= place[2] <= 1 / _LEAST_SCALE)


@njit(cache=True, nogil=True, fastmath=True)
def _fits(a: np.ndarray, b: np.ndarray, place: np.ndarray) -> bool:
    """Whether they lie as a crop does and are about as bright and as strong in contrast."""
    _, mean_a, mean_b, var_a, var_b = _moments(a, b, place, False)
    room = abs(1 - place[2]) * a.shape[0] / 2 + _SLACK_PX
    return (abs(place[0]) <= room and abs(place[1]) <= room
            and abs(math.log((var_a + 1) / (var_b + 1))) <= 2 * _MOST_CHANGE
            and abs(math.log((mean_a + 8) / (mean_b + 8))) <= _MOST_CHANGE)


@njit(cache=True, nogil=True, fastmath=True)
def _moments(
    a: np.ndarray, b: np.ndarray, place: np.ndarray, cubic: bool
) -> tuple[float, float, float, float, float]:
    """Correlation, means and variances of A and the laid-over B, where both are."""
    size = a.shape[0]
    c = (size - 1) / 2
    n, sum_a, sum_b, sum_aa, sum_bb, sum_ab = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(size):
        v = c + place[2] * (y - c) + place[1]
        if v < 0 or v > size - 1:
            continue
        for x in range(size):
            u = c + place[2] * (x - c) + place[0]
            if u < 0 or u > size - 1:
                continue
            p = a[y, x]
            q = _cubic(b, u, v) if cubic else _between(b, min(u, size - 1.001), min(v, size - 1.001))
            n += 1
            sum_a += p
            sum_b += q
            sum_aa += p * p
            sum_bb += q * q
            sum_ab += p * q
    if n < size * size // 2:
        return -1.0, 0.0, 0.0, 0.0, 0.0
    mean_a, mean_b = sum_a / n, sum_b / n
    var_a, var_b = sum_aa / n - mean_a * mean_a, sum_bb / n - mean_b * mean_b
    correlation = (sum_ab / n - mean_a * mean_b) / math.sqrt(max(var_a * var_b, 1e-9))
    return correlation, mean_a, mean_b, max(var_a, 0.0), max(var_b, 0.0)


@njit(cache=True, nogil=True, fastmath=True)
def _between(b: np.ndarray, u: float, v: float) -> float:
    """B at column u and row v, in [0, size - 1), bilinear."""
    x, y = int(u), int(v)
    dx, dy = u - x, v - y
    top = b[y, x] * (1 - dx) + b[y, x + 1] * dx
    return top * (1 - dy) + (b[y + 1, x] * (1 - dx) + b[y + 1, x + 1] * dx) * dy


@njit(cache=True, nogil=True, fastmath=True)
def _cubic(b: np.ndarray, u: float, v: float) -> float:
    """B at column u and row v, Catmull-Rom; the border repeats."""
    size = b.shape[0]
    x, y = int(u), int(v)
    wide, high = _weights(u - x), _weights(v - y)
    total = 0.0
    for k in range(4):
        row, line = min(max(y + k - 1, 0), size - 1), 0.0
        for m in range(4):
            line += wide[m] * b[row, min(max(x + m - 1, 0), size - 1)]
        total += high[k] * line
    return total


@njit(cache=True, nogil=True, fastmath=True)
def _weights(d: float) -> tuple[float, float, float, float]:
    return (0.5 * d * (-1 + d * (2 - d)), 1 + d * d * (-2.5 + 1.5 * d),
            0.5 * d * (1 + d * (4 - 3 * d)), 0.5 * d * d * (d - 1))
