"""compare_losses: raw and curated on the same held-out answers, several seeds a side. Lower is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finetune import metrics
from finetune.compare import Comparison, interval, too_few, verdict_of
from finetune.evaluate import Evaluation

METRIC = "loss_per_byte"
UNIT = "nats per byte of the answers"


def compare_losses(
    raw: Sequence[Evaluation], curated: Sequence[Evaluation], n_boot: int = 1000, seed: int = 0
) -> Comparison:
    """Compare run by run on the same rows; run r of both has the same seed.

    The metric is the loss per byte of the answers, since each side may have tokens of its own. Rows and runs
    are crossed and resampled as in `finetune.compare.compare`. `also` has the loss per token where both sides
    cut the answers into as many tokens. Rows that give no loss on either side are left out of both.
    Raises `ValueError` when the numbers of runs differ or no row is left.
    """
    if len(raw) != len(curated):
        raise ValueError(f"raw has {len(raw)} runs, curated {len(curated)}")
    sides = [[_columns(evaluation) for evaluation in side] for side in (raw, curated)]
    shared = sorted(set.intersection(*(set(columns) for side in sides for columns in side)))
    if not shared:
        raise ValueError("raw and curated were not judged on the same rows")
    cells = np.array([[[c[i][:3] for i in shared] for c in side] for side in sides])  # (2, R, n, 3)
    codes = np.unique([sides[0][0][i][3] for i in shared], return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    n_runs, n_rows = cells.shape[1:3]
    drawn = metrics.bootstrap_weights(codes, n_boot, rng).astype(np.float64)
    weights = np.vstack([np.ones((1, n_rows)), drawn])  # (1 + B, n)
    run_weights = rng.multinomial(n_runs, np.full(n_runs, 1.0 / n_runs), size=n_boot) / n_runs
    n_clusters = int(codes.max()) + 1

    def found(whole: int) -> dict[str, float]:
        one, two = (
            np.stack([(weights @ run[:, 0]) / (weights @ run[:, whole]) for run in side], axis=1)
            for side in cells
        )
        return {"raw": float(one[0].mean()), "curated": float(two[0].mean()),
                **interval(two - one, run_weights, n_clusters)}  # fmt: skip

    chosen = found(2)
    same_tokens = bool((cells[0, :, :, 1] == cells[1, :, :, 1]).all())
    verdict = verdict_of(chosen, n_runs, less_is_better=True)
    method = raw[0].method
    because = (
        f"{METRIC} {chosen['raw']:.3f} on raw, {chosen['curated']:.3f} on curated: "
        f"{chosen['difference']:+.3f} nats [{chosen['low']:+.3f}, {chosen['high']:+.3f}], lower is better, "
        f"{n_runs} paired run{'s' * (n_runs != 1)} of method {method} on {n_rows:,} rows: "
        f"{verdict}{too_few(n_runs)}"
    )
    return Comparison(
        verdict=verdict, metric=METRIC, **chosen, also={"loss_per_token": found(1)} if same_tokens else {},
        method=method, replicates=n_runs, rows=n_rows, disagreements=float(n_rows), because=because,
        unit=UNIT,
    )  # fmt: skip


def _columns(evaluation: Evaluation) -> dict[str, tuple[float, ...]]:
    """Return nats, tokens, bytes and cluster of each row."""
    columns = (evaluation.predictions[name].to_pylist() for name in ("nats", "tokens", "bytes", "cluster"))
    return dict(zip(evaluation.predictions["row_id"].to_pylist(), zip(*columns, strict=True), strict=True))
