"""Wrong cells of a table: dependencies, models, numbers, shapes; what is proposed, and what is left alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dataset import Dataset, Roles
from pipeline.recipe import build_stage
from pipeline.run import run_stage
from pipeline.signals.engine import Engine

CITIES = {"York": ("North", "YO"), "Bath": ("West", "BA"), "Hull": ("East", "HU"), "Kent": ("South", "KE")}


def rows(n: int = 240) -> list[dict]:
    """Cities with their region and code, a weight that follows from a length, and a class that both tell."""
    rng, out = np.random.default_rng(0), []
    for k in range(n):
        city = list(CITIES)[k % 4]
        length = float(rng.normal(10 + 10 * (k % 4), 1))
        out.append({"row_id": f"{k:04d}", "city": city, "region": CITIES[city][0], "code": CITIES[city][1],
                    "length": length, "weight": 3 * length + float(rng.normal(0, 0.1)),
                    "split": "train" if k % 6 else "test"})
    return out


def found(cells: list[dict], settings: dict | None = None, after: bool = False, columns: bool = False):
    content = tuple(c for c in cells[0] if c not in ("row_id", "split"))
    data = Dataset.of(pa.Table.from_pylist(cells), Roles(content=content), "tabular")
    step = run_stage(data, build_stage("cells", settings or {}, "tabular"), Engine())
    if after:
        return step.after
    return {(r["row_id"], r["column"]): r for r in step.findings.rows() if columns == (r["row_id"] is None)}


def test_a_table_without_wrong_cells_has_none():
    assert not found(rows())


@pytest.mark.parametrize("row", [6, 7])  # held out, train
@pytest.mark.parametrize(("column", "wrong"), [("region", "North"), ("code", "YO"), ("city", "York")])
def test_a_cell_that_its_row_contradicts_gets_the_value_that_the_others_have(row, column, wrong):
    cells = rows()
    right, cells[row][column] = cells[row][column], wrong
    edits = found(cells)
    assert list(edits) == [(f"{row:04d}", column)]
    edit = next(iter(edits.values()))
    held_out = row == 6
    said = (edit["action"], edit["before"], edit["value"])
    assert said == (("flag", None, None) if held_out else ("set", wrong, right))
    assert repr(right) in edit["because"]
    assert "other train rows" in edit["because"] or "probability" in edit["because"]


def test_a_missing_cell_that_another_column_decides_is_filled():
    cells = rows()
    cells[7]["region"] = None
    assert found(cells)["0007", "region"]["value"] == "South"


def test_two_values_in_one_cell_are_parted():
    cells = rows()
    for k in (7, 8, 9):
        cells[k]["city"], cells[k]["code"] = f"{cells[k]['city']} {cells[k]['code']}", None
    after = found(cells, after=True)
    want = rows()
    assert [(r["city"], r["code"]) for r in after.rows(["0007", "0008", "0009"])] == [
        (want[k]["city"], want[k]["code"]) for k in (7, 8, 9)]


@pytest.mark.parametrize("row", [6, 7])
def test_a_number_a_thousand_times_too_large_gets_its_point_back_and_its_neighbours_stay(row):
    cells = rows()
    right = cells[row]["length"]
    cells[row]["length"] = 1000 * right
    edits = found(cells)
    assert list(edits) == [(f"{row:04d}", "length")]
    edit = next(iter(edits.values()))
    assert f"{right:g}"[:6] in edit["because"]
    if row == 7:
        assert edit["action"] == "set" and edit["value"] == pytest.approx(right)
    else:
        assert edit["action"] == "flag"


def test_held_out_rows_stay_as_they_are_whatever_is_wrong_with_them():
    cells = rows()
    for k in range(0, 240, 6):
        cells[k] |= {"region": "North", "length": 1000 * cells[k]["length"]}
    cells[12] |= {"city": "Kent KE", "code": None}
    after, ids = found(cells, after=True), [f"{k:04d}" for k in range(0, 240, 6)]
    kept = [{c: row[c] for c in cells[0] if c in row} for row in after.rows(ids)]
    assert kept == [{c: cells[k].get(c) for c in kept[0]} for k in range(0, 240, 6)]


def test_a_number_that_no_place_for_the_point_explains_is_flagged():
    cells = rows()
    cells[7]["length"] = 4.4e6
    assert [e["action"] for e in found(cells).values()] == ["flag"]


def test_a_number_that_the_rest_of_its_row_does_not_allow_is_flagged():
    cells = rows()
    cells[8]["weight"] = 95.0  # usual for the column, not for this length
    assert ("0008", "weight") in found(cells)
    assert ("0008", "weight") not in found(cells, {"tabular": {"models": False}})


def test_a_number_that_many_rows_share_is_no_slip():
    cells = rows()
    for k in range(1, 240, 12):
        cells[k]["bonus"] = 99999.0
    for cell in cells:
        cell.setdefault("bonus", float(int(cell["row_id"]) % 5))
    assert not [key for key in found(cells) if key[1] == "bonus"]


def test_a_look_that_no_other_cell_has_is_flagged():
    cells = rows()
    for k, cell in enumerate(cells):
        cell["plate"] = f"{'ABCDEFGH'[k % 8]}{'KLMNO'[k % 5]}-{100 + 7 * k}"
    cells[9]["plate"] = "ab/12"
    edits = found(cells)
    assert list(edits) == [("0009", "plate")]
    assert "usual look" in edits["0009", "plate"]["because"]
    assert not found(cells, {"tabular": {"patterns": False}})


def test_contradictions_that_blame_each_other_are_flagged_and_nothing_is_proposed():
    cells = [{k: v for k, v in row.items() if k in ("row_id", "split", "city", "code")} for row in rows()]
    cells[7]["code"] = "YO"
    edits = found(cells)
    assert edits and {e["action"] for e in edits.values()} == {"flag"}


def test_rare_values_that_the_rest_of_the_row_does_not_tell_are_left_alone():
    cells = rows(600)
    for k, cell in enumerate(cells):
        cell["flagged_before"] = int(k in range(31, 600, 60))
        cell["hiv"] = "positive" if k % 197 == 1 else "negative"
    assert sum(c["flagged_before"] for c in cells) == 10
    assert not [key for key in found(cells) if key[1] in ("flagged_before", "hiv")]


def test_a_word_that_only_a_model_doubts_is_flagged_and_never_replaced():
    rng, cells = np.random.default_rng(4), []
    for k in range(400):
        kind = int(rng.integers(3))
        cells.append({"row_id": f"{k:04d}", "split": "train", "kind": ("hen", "ox", "bee")[kind],
                      "mass": float(rng.normal((2.5, 600, 0.1)[kind], (0.1, 20, 0.01)[kind])),
                      "wings": float(rng.normal((60, 0, 1)[kind], 0.1))})
    row = next(k for k, cell in enumerate(cells) if cell["kind"] == "hen")
    cells[row]["kind"] = "bee"
    edit = found(cells)[f"{row:04d}", "kind"]
    assert edit["action"] == "flag" and "'hen'" in edit["because"]


def test_a_column_of_ticks_and_blanks_is_not_filled_with_ticks():
    cells = rows()
    for k, cell in enumerate(cells):
        cell["promo"] = "yes" if k % 3 else None
    assert not found(cells)


def test_columns_that_say_nothing_new_are_flagged_as_columns():
    cells = rows()
    for cell in cells:
        cell |= {"same": "x", "twin": {"North": "n", "West": "w", "East": "e", "South": "s"}[cell["region"]]}
        cell["copy"] = cell["length"]
    edits = found(cells, {"tabular": {"models": False}}, columns=True)
    assert {(column, e["issue"]) for (_, column), e in edits.items()} == {
        ("length", "duplicate_column"), ("code", "duplicate_column"),
        ("region", "duplicate_column"), ("twin", "duplicate_column")}


def test_action_flag_proposes_nothing():
    cells = rows()
    cells[7]["region"] = "North"
    assert {e["action"] for e in found(cells, {"action": "flag"}).values()} == {"flag"}


def test_a_held_out_row_changes_nothing_said_of_others():
    cells = rows()
    cells[7]["region"], cells[8]["length"] = "North", 1e6
    before = found(cells)
    cells[12] |= {"city": "Nowhere", "region": "None", "code": "??", "length": -1e9, "weight": None}
    after = {key: e for key, e in found(cells).items() if key[0] != "0012"}
    assert before == after
