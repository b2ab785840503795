"""Embeddings: one vector a row, from the modality's encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, computed_field

from pipeline.dataset import Dataset
from pipeline.modalities import modality
from pipeline.signals import Signal

if TYPE_CHECKING:
    from pipeline.signals.engine import Engine


class Embeddings(Signal, frozen=True):
    """A vector for each row, float32, a function of the row alone and of what the modality learnt from train.

    The encoder uses the cores itself, so it runs in this process whatever the number of workers.
    """

    name: ClassVar[str] = "embeddings"
    kind: ClassVar[Literal["row", "global"]] = "row"
    fits: ClassVar[bool] = True

    encoder: str | None = Field(None, description="the modality's, a folder or a Hub name")
    max_tokens: int = Field(256, ge=8, description="tokens of each text that are read, special ones included")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the CPU has it")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def encoder_digest(self) -> str | None:
        """What lies in the encoder's folder, if it is one. Part of the cache key, like the settings."""
        return folder_digest(self.encoder) if self.encoder and Path(self.encoder).is_dir() else None

    def compute(self, data: Dataset, given: Mapping[str, Any], engine: Engine) -> pa.Table:
        """Return one column, `vector`, of fixed-size lists of float32."""
        options = {"encoder": self.encoder, "max_tokens": self.max_tokens, "precision": self.precision}
        vectors = modality(data.modality).embed(data.content, given["state"], options)  # (n, d)
        if not np.isfinite(vectors).all():
            raise ValueError(f"the encoder of {data.modality} gave a vector that is not finite")
        flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
        return pa.table({"vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])})

    def read(self, table: pa.Table) -> np.ndarray:
        """Return (n, d) float32. Vectors that a user brought may be lists of any float type."""
        column = table["vector"].combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False)
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) > 1 or lengths == [None]:
            raise ValueError("embeddings: every row needs a vector, all of the same length")
        return np.asarray(flat, np.float32).reshape(len(column), lengths[0] if lengths else 0)


def folder_digest(folder: str) -> str:
    """Return 32 hex digits over the files of a model folder: names and bytes."""
    files = sorted(p for p in Path(folder).iterdir() if p.is_file())
    return _digest(tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files))


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    h = hashlib.sha256()
    for path, size, _ in files:
        h.update(f"{Path(path).name}\0{size}\0".encode())
        with Path(path).open("rb") as file:
            h.update(hashlib.file_digest(file, "sha256").digest())
    return h.hexdigest()[:32]
