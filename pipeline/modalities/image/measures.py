"""Numbers about pictures: size, brightness, sharpness, information, colour."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

_NAMES = ("width_px", "height_px", "side_px", "aspect_ratio", "brightness_mean", "brightness_p1",
          "brightness_p5", "brightness_p95", "brightness_p99", "contrast", "sharpness", "entropy_bits",
          "chroma_p99", "colourfulness")  # fmt: skip


def measure(content: pa.Table) -> pd.DataFrame:
    """Measure every picture; a function of the picture alone. Where there is none all is 0.

    width_px, height_px : as seen, EXIF orientation applied. side_px : square root of their product.
    aspect_ratio : long side / short side, at least 1.
    brightness_mean, _p1, _p5, _p95, _p99 : mean and percentiles of the luma, in [0, 1].
    contrast : standard deviation of the luma, in [0, 0.5].
    sharpness : energy of the Laplacian over energy of the gradient of the luma at 256 px: the mean squared
        frequency of what edges there are. It does not depend on contrast, and a picture without edges gets 2.
        Photographs have 2 to 10, the same after a Gaussian blur of 1 % of the side 0.3 to 0.6.
    entropy_bits : Shannon entropy of the luma's histogram, 0 to 8.
    chroma_p99 : largest minus smallest channel, 99th percentile, in [0, 1]; a grey picture has 0.
    colourfulness : Hasler & Suesstrunk, SPIE 2003, in grey levels; 0 grey, above 60 vivid.

    Cost: about 1 ms for a JPEG of 512 x 512 px, which is read at half its size.
    """
    from pipeline.modalities.image.reading import measured

    rows = np.array(measured(content), np.float64).reshape(-1, len(_NAMES))
    frame = pd.DataFrame(rows, columns=list(_NAMES))
    return frame.astype({"width_px": np.int64, "height_px": np.int64})
