"""People see the pictures they decide on, and nothing else of them goes anywhere."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading

import pytest
from browser import browser
from pictures import make_pictures
from PIL import Image

from flows.review_desk import Desk
from flows.review_server import ReviewServer
from pipeline.findings import Edit, Findings
from pipeline.outputs import write_tables
from pipeline.recipe import build_stage
from pipeline.review.export import export_argilla, export_csv, export_label_studio
from pipeline.review.items import items, origin
from pipeline.run import Step
from pipeline.store import Store


@pytest.fixture
def found(tmp_path):
    """An audit of pictures: a suspected label and a copy; one row has no picture."""
    data = make_pictures(8)
    named = data.table.append_column("file_name", [[f"f/{i}.png" for i in data.ids]])
    data = type(data).of(named, data.roles, "image")
    edits = [
        Edit("p01", "label", 0.02, "flag", "labelled red, but blue has probability 0.98"),
        Edit("p-copy", "near_duplicate", 0.1, "flag", "near copy of row p00", related=["p00"]),
        Edit("p-none", "outlier", 0.2, "flag", "far from its neighbours"),
    ]
    step_found = Findings.of("label_noise", edits, metrics={"suggested": {"p01": "blue"}})
    step = Step(build_stage("label_noise", {}, "image"), "key", step_found, data, data, None, 0.0, False)
    write_tables(tmp_path / "out", data, data, [step])
    return origin(tmp_path / "out", tmp_path / "w", None)


def is_jpeg(uri: str, side_px: int) -> bool:
    head, body = uri.split(",")
    picture = Image.open(io.BytesIO(base64.b64decode(body)))
    return head == "data:image/jpeg;base64" and picture.format == "JPEG" and max(picture.size) <= side_px


def test_a_row_is_shown_as_a_small_picture_and_by_its_file(found):
    assert is_jpeg(found.picture("p01", 16), 16) and found.picture("p-none") == ""
    assert found.text("p01").startswith("f/p01.png: ")


def test_exports_hold_the_pictures(found, tmp_path):
    listed = items(found)
    assert b"f/p01.png" in export_csv(found, listed, tmp_path / "r.csv")[0].read_bytes()
    tasks, config = export_label_studio(found, listed, tmp_path / "ls")
    for task in json.loads(tasks.read_text()):
        assert ("image" in task["data"]) == (task["data"]["row_id"] != "p-none")
        assert "image" not in task["data"] or is_jpeg(task["data"]["image"], 640)
    assert '<Image name="image" value="$image"' in config.read_text()
    records, settings, _ = export_argilla(found, listed, tmp_path / "a")
    assert {f["name"]: f["settings"]["type"] for f in json.loads(settings.read_text())["fields"]} == {
        "text": "text", "twin": "text", "image": "image", "twin_image": "image"}  # fmt: skip
    assert sum("image" in r["fields"] for r in json.loads(records.read_text())) == len(listed) - 1


def test_the_server_gives_a_picture_to_whom_it_knows(found, tmp_path):
    desk = Desk(found, items(found), tmp_path / "d.csv", Store(tmp_path / "w"), "me")
    assert desk.state["pictures"] is True and "base64" not in json.dumps(desk.state)
    server = ReviewServer(desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(path: str, token: str = server.token):
        line = http.client.HTTPConnection("127.0.0.1", server.server_port)
        line.request("GET", path, headers={"X-Assay-Token": token})
        answer = line.getresponse()
        return answer.status, json.loads(answer.read())

    status, body = ask("/picture?row=p01")
    assert status == 200 and is_jpeg(body["picture"], 640)
    assert is_jpeg(ask("/picture?small=1&row=p01")[1]["picture"], 96)
    assert ask("/picture?row=p-none")[1] == {"picture": ""}
    assert ask("/picture?row=nobody")[0] == 404 and ask("/picture?row=p01", "wrong")[0] == 403
    server.shutdown()


def test_the_page_shows_the_picture(found, tmp_path):
    desk = Desk(found, items(found), tmp_path / "d.csv", Store(tmp_path / "w"), "me")
    server = ReviewServer(desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with browser() as chromium:
        from playwright.sync_api import expect  # the page's own rules forbid waiting for an expression

        page = chromium.new_page()
        page.goto(server.address)
        expect(page.locator("#body img").first).to_have_js_property("naturalWidth", 24)
        page.keyboard.press("ArrowDown")
        expect(page.locator("#body .pair img")).to_have_count(2)
    server.shutdown()
