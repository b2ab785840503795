"""Pixels to numbers: what is measured of one decoded picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.stage import Missing

if TYPE_CHECKING:
    from pipeline.modalities.image.decode import Look

N_MEASURES = 14
_FLAT = 0.5  # energy of gradients, grey levels squared, below which a picture has no edges to judge
_FLAT_SHARPNESS = 2.0  # what such a picture gets: nothing says that it is blurred


def whole_measures(seen: Look) -> np.ndarray:
    """(14,) float64: the measures in the order of `measures.measure`."""
    width, height = seen.size_px
    shape = [width, height, float(np.sqrt(width * height)), max(width, height) / min(width, height)]
    return np.array([*shape, *_light(seen.luma), *_colour(seen.rgb)], np.float64)


def shrunk(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """Return the pixels with the longest side at most `side_px`, each new pixel the mean of old ones."""
    height, width = pixels.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return opencv().resize(pixels, size, interpolation=opencv().INTER_AREA)


def opencv() -> Any:
    """Return the module cv2. Raises `Missing`."""
    try:
        import cv2
    except ImportError:
        raise Missing('pictures need opencv: pip install "assay[image]"') from None
    return cv2


def _shares(plane: np.ndarray) -> np.ndarray:
    """(256,) share of the pixels of (h, w) uint8 at each level."""
    return opencv().calcHist([plane], [0], None, [256], [0, 256]).ravel().astype(np.float64) / plane.size


def _light(grey: np.ndarray) -> list[float]:
    """Return brightness, contrast, sharpness and entropy of (h, w) uint8."""
    share = _shares(grey)
    levels = np.arange(256) / 255
    mean = float(np.dot(share, levels))
    percentiles = np.searchsorted(np.cumsum(share), [0.01, 0.05, 0.95, 0.99]) / 255
    contrast = float(np.sqrt(max(float(np.dot(share, (levels - mean) ** 2)), 0.0)))
    seen = share[share > 0]
    entropy = float(-(seen @ np.log2(seen)))
    return [mean, *map(float, np.minimum(percentiles, 1.0)), contrast, _sharpness(grey), max(0.0, entropy)]


def _sharpness(grey: np.ndarray) -> float:
    """(E[laplace^2] + 2 f) / (E[gradient^2] + f), with f = 0.5 so that flat pictures give 2."""
    cv2 = opencv()
    across, down = (cv2.norm(cv2.Sobel(grey, cv2.CV_16S, *to), cv2.NORM_L2SQR) for to in ((1, 0), (0, 1)))
    edges = (across + down) / 64 / grey.size  # the filter sums to 8
    detail = cv2.norm(cv2.Laplacian(grey, cv2.CV_16S), cv2.NORM_L2SQR) / grey.size
    return float((detail + _FLAT_SHARPNESS * _FLAT) / (edges + _FLAT))


def _colour(pixels: np.ndarray) -> list[float]:
    """Return chroma_p99 and colourfulness of (h, w, 3) uint8."""
    cv2 = opencv()
    red, green, blue = cv2.split(pixels)
    chroma = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    p99 = float(np.searchsorted(np.cumsum(_shares(chroma)), 0.99)) / 255
    red_green = cv2.subtract(red, green, dtype=cv2.CV_32F)
    yellow_blue = cv2.addWeighted(red, 0.5, green, 0.5, 0, dtype=cv2.CV_32F) - blue
    (m1, s1), (m2, s2) = ([float(v[0, 0]) for v in cv2.meanStdDev(a)] for a in (red_green, yellow_blue))
    return [min(p99, 1.0), float(np.hypot(s1, s2) + 0.3 * np.hypot(m1, m2))]
