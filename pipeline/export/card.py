"""The dataset card, README.md: YAML that `datasets` and the Hub read, then what people should know.

Nothing is quoted from the rows, so a card gives no content away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import OWN_COLUMNS, SPLITS, WEIGHT, Dataset
from pipeline.export.about import About
from pipeline.export.croissant import MEANINGS
from pipeline.export.curation import curation_lines, limits
from pipeline.export.features import classes, features, published
from pipeline.export.markdown import code, table_lines
from pipeline.export.origin import Origin
from pipeline.recipe import RecipeError

if TYPE_CHECKING:
    from pipeline.export.folder import Split

SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"),
         (1e8, "10M<n<100M"), (1e9, "100M<n<1B"))  # fmt: skip
MOST_CLASSES_SHOWN = 30


def card(origin: Origin, about: About, splits: Sequence[Split], download_bytes: int) -> str:
    """Return the card's text. Raises `RecipeError` without huggingface_hub."""
    body = [
        f"# {code(about.pretty_name or 'dataset', plain=True)}", "", *_summary(origin), "",
        "## Splits and classes", "", *_classes(origin.dataset), "",
        "## Columns", "", *_columns(origin.dataset), "",
        "## Curation", "", *curation_lines(origin), "",
        "## Known limits", "", *(f"- {line}" for line in limits(origin)), "",
        "## Personal and sensitive information", "", *_personal(origin), "",
        "## Licence and citation", "", *_licence(about),
    ]  # fmt: skip
    return f"---\n{_yaml(origin.dataset, about, splits, download_bytes)}\n---\n\n" + "\n".join(body) + "\n"


def size_category(n_rows: int) -> str:
    """Return the Hub's word for a number of rows.

    >>> size_category(999), size_category(1000), size_category(2_500_000)
    ('n<1K', '1K<n<10K', '1M<n<10M')
    """
    return next((name for limit, name in SIZES if n_rows < limit), "n>1T" if n_rows > 1e12 else "1B<n<10B")


def _yaml(data: Dataset, about: About, splits: Sequence[Split], download_bytes: int) -> str:
    try:
        from huggingface_hub import DatasetCardData
    except ImportError as error:
        raise RecipeError(f'the card needs {error.name}: pip install "assay[export]"') from None
    listed = features(published(data.table.slice(0, 0)).schema, data.roles.label, classes(data))
    is_url = about.license.startswith(("http://", "https://"))
    paths = [{"split": s.name, "path": f"data/{s.name}-*"} for s in splits]
    sizes = [{"name": s.name, "num_bytes": s.n_bytes, "num_examples": s.n_rows} for s in splits]
    values: dict[str, Any] = {
        "language": list(about.language) or None,
        "license": "other" if is_url else about.license,
        "license_link": about.license if is_url else None,
        "pretty_name": about.pretty_name,
        "size_categories": [size_category(data.n_rows)],
        "task_categories": _tasks(data),
        "tags": [*about.tags, *(t for t in ("croissant", "assay") if t not in about.tags)],
        "source_datasets": list(about.source_datasets) or None,
        "annotations_creators": list(about.annotations_creators) or None,
        "configs": [{"config_name": "default", "data_files": paths}],
        "dataset_info": {"features": listed, "splits": sizes, "download_size": download_bytes,
                         "dataset_size": sum(s.n_bytes for s in splits)},
    }  # fmt: skip
    return DatasetCardData(**values).to_yaml(original_order=list(values))


def _tasks(data: Dataset) -> list[str] | None:
    """Return the Hub's task where the modality and a label leave no doubt, else None."""
    known = {
        "text": "text-classification",
        "tabular": "tabular-classification",
        "image": "image-classification",
    }
    task = known.get(data.modality)
    if data.roles.label is None or task is None or (data.modality != "tabular" and classes(data) is None):
        return None
    return [task]


def _summary(origin: Origin) -> list[str]:
    data = origin.dataset
    parts = ", ".join(f"{int((data.splits == s).sum()):,} {s}" for s in SPLITS if (data.splits == s).any())
    names = classes(data)
    of = f" in {len(names)} classes" if names else ""
    lines = [f"{data.n_rows:,} rows of {data.modality}{of}: {parts}."]
    if origin.run is not None and origin.root is not None:
        lines.append(
            f"Curated with Assay, run {origin.run}, from {origin.root.n_rows:,} rows; snapshot "
            f"`{data.fingerprint}`, made of snapshot `{origin.root.fingerprint}`."
        )
    else:
        lines.append(f"Exported without curation; snapshot `{data.fingerprint}`.")
    return lines


def _classes(data: Dataset) -> list[str]:
    present = [s for s in SPLITS if (data.splits == s).any()]
    names = classes(data) or ()
    rows = [[code(name), *(f"{int(((data.labels == name) & (data.splits == s)).sum()):,}" for s in present)]
            for name in names[:MOST_CLASSES_SHOWN]]  # fmt: skip
    if len(names) > MOST_CLASSES_SHOWN:
        rows.append([f"{len(names) - MOST_CLASSES_SHOWN} more classes", *("" for _ in present)])
    rows.append(["all rows", *(f"{int((data.splits == s).sum()):,}" for s in present)])
    return table_lines([f"class ({code(data.roles.label)})" if names else "", *present], rows)


def _columns(data: Dataset) -> list[str]:
    rows = []
    for field in published(data.table.slice(0, 0)).schema:
        role = "content" if field.name in data.roles.content else "further data"
        role = next((r for r in ("label", "group", "time") if getattr(data.roles, r) == field.name), role)
        if field.name in (*OWN_COLUMNS, WEIGHT):
            role = MEANINGS[field.name]
        rows.append([code(field.name), code(str(field.type)), role])
    return table_lines(["column", "type", "what it is"], rows)


def _personal(origin: Origin) -> list[str]:
    found = 0
    if origin.ledger is not None and origin.ledger.num_rows:
        issues = np.array(origin.ledger["issue"].to_pylist(), dtype=object)
        rows = np.array(origin.ledger["row_id"].to_pylist(), dtype=object)
        found = len(set(rows[issues == "personal_data"]))
    said = "No row is recorded as holding personal data, which does not show that there is none."
    if found:
        said = f"{found:,} rows were found to hold personal data; the table above says what became of them."
    return [f"{said} Check the rows before you publish or share them."]


def _licence(about: About) -> list[str]:
    said = "The licence is unknown: ask the owner of the data before you use or share it."
    if about.licensed:
        said = f"Licence: {code(about.license, plain=True)}."
    return [said, *(["", code(about.citation, plain=True)] if about.citation else [])]
