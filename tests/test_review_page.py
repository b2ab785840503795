"""The review page as a person meets it: a real server, a real browser, keys."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import browser
from conftest import _columns, text_rows

from flows.review_desk import Desk
from flows.review_server import ReviewServer
from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.outputs import write_tables
from pipeline.recipe import build_stage
from pipeline.review.decisions import read_decisions
from pipeline.review.items import items, origin
from pipeline.run import Step, run_stage
from pipeline.store import Busy, Store

ASSAY = str(Path(sys.executable).parent / "assay")
HOSTILE = (
    "<script>window.PWN = 1</script><img src=x onerror='window.PWN = 1'><svg onload='window.PWN = 1'>"
    "javascript:window.PWN=1 \u202egnp.exe {nonce} </div><style>*{display:none}</style>"
)


@pytest.fixture
def folder(tmp_path):
    """What an audit leaves: three suspected labels, one of them on a hostile row, a near copy, an outlier."""
    rows = text_rows()
    rows[0] |= {"text": HOSTILE, "site": "<b>"}
    data = Dataset.of(_columns(rows), Roles(content=("text",), label="label"), "text")
    train = [i for i, s in zip(data.ids, data.splits, strict=True) if s == "train"]
    near = next(r for r in rows if " game " in r["text"] and r["row_id"] in train)["row_id"]
    twin = f"r{int(near[1:]) - 1:03d}"
    edits = [
        Edit("r000", "label", 0.01, "flag", f"labelled sport, but {HOSTILE}"),
        Edit("r001", "label", 0.02, "flag", "labelled sport, but money has probability 0.98"),
        Edit("r002", "label", 0.03, "flag", "labelled sport, but film has probability 0.97"),
        Edit(near, "near_duplicate", 0.07, "drop", f"near copy of row {twin}", related=[twin]),
        Edit("r003", "outlier", 0.05, "flag", "far from its neighbours"),
    ]
    suggested = {"r000": "money", "r001": "money", "r002": "film"}
    found = Findings.of("label_noise", edits, metrics={"suggested": suggested})
    step = Step(build_stage("label_noise", {}, "text"), "key", found, data, data, None, 0.0, False)
    write_tables(tmp_path / "out", data, data, [step])
    return tmp_path / "out"


@pytest.fixture
def desk(folder):
    found = origin(folder, folder, None)
    shown = items(found, twins=False)
    return Desk(found, shown, folder.parent / "review" / "d.csv", Store(folder.parent / "w"), "ann")


@pytest.fixture
def server(desk):
    with desk.taken(), ReviewServer(desk) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def opened():
    with browser() as found:
        yield found


@pytest.fixture
def page(opened, server):
    context = opened.new_context()
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda line: page.problems.append(line.text) if line.type == "error" else None)
    page.on(
        "request",
        lambda r: None if r.url.startswith(("http://127.0.0.1", "data:")) else page.problems.append(r.url),
    )
    page.goto(server.address)
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert page.problems == []


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    page.evaluate("async () => { await new Promise(done => setTimeout(done)); await saving; }")


def decided(server):
    path = server.desk.path
    return {d.row_id: d[1:4] for d in read_decisions(path)} if path.exists() else {}


def row(page):
    return page.text_content("#row")


def test_keys_decide_and_the_file_has_it_at_once(page, server):
    order = [i.row_id for i in server.desk.items]
    assert order[:3] == ["r000", "r001", "r002"] and row(page) == "r000"
    press(page, "y")
    assert decided(server) == {"r000": ("keep", "", "")} and row(page) == "r001"
    press(page, "Enter")  # the suggested label
    press(page, "d")
    assert decided(server)["r001"] == ("relabel", "money", "")
    assert decided(server)["r002"] == ("drop", "", "") and row(page) == order[3]
    press(page, "k", "k", "1")  # another label, on the row before
    assert decided(server)["r001"] == ("relabel", "film", "")
    press(page, "u")  # the decision of before stands again
    assert decided(server)["r001"] == ("relabel", "money", "") and row(page) == "r001"
    press(page, "u")
    assert decided(server) == {"r000": ("keep", "", ""), "r001": ("relabel", "money", "")}
    assert row(page) == "r002"


def test_undo_goes_back_to_no_decision(page, server):
    press(page, "d", "d", "u", "u")
    assert decided(server) == {} and row(page) == "r000"


def test_choosing_the_given_label_is_to_keep(page, server):
    sport = server.desk.found.labels.index("sport") + 1
    press(page, "j", str(sport))
    assert decided(server) == {"r001": ("keep", "", "")}


def test_decisions_and_place_survive_a_reload_and_a_new_server(page, server, desk):
    press(page, "y", "d", "j")
    here = row(page)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert row(page) == here and page.text_content("#count").startswith("2 of 5")
    again = Desk(desk.found, desk.items, desk.path, Store(desk.path.parent / "w"), "ann")
    assert set(again.state["decisions"]) == {"r000", "r001"}


def test_a_note_goes_with_the_decision(page, server):
    page.keyboard.press("n")
    page.keyboard.type("not sure, really = maybe")
    page.keyboard.press("Escape")
    press(page, "y")
    assert decided(server)["r000"] == ("keep", "", "not sure, really = maybe")


def test_copies_stand_side_by_side_with_what_differs_marked(page, server):
    page.select_option("#filter", "near_duplicate")
    item = next(i for i in server.desk.items if i.twin)
    assert page.locator(".pair .text").count() == 2
    assert page.locator(".pair mark").all_text_contents() == ["game", "match"]
    assert "".join(page.locator(".pair .text").first.all_text_contents()) == item.text
    press(page, "x")
    assert decided(server) == {item.row_id: ("keep", "", ""), item.twin: ("drop", "", "")}
    press(page, "u", "y")
    assert decided(server) == {item.row_id: ("keep", "", ""), item.twin: ("keep", "", "")}


def test_search_and_help_take_the_keyboard(page, server):
    page.keyboard.press("/")
    page.keyboard.type("r002")
    page.keyboard.press("Enter")
    assert row(page) == "r002" and page.locator("#list li").count() == 1
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("d")  # goes nowhere while help is open
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible() and decided(server) == {}


def test_hostile_text_is_shown_and_does_nothing(page, server):
    assert row(page) == "r000"
    shown = page.text_content("#body .text")
    assert "<script>window.PWN = 1</script>" in shown and "⟨U+202E⟩" in shown
    assert page.evaluate("() => window.PWN") is None
    assert page.locator("#page img, #page svg, #page script, #list img").count() == 0


def test_a_server_that_ended_is_said_and_nothing_is_shown_as_decided(page, server):
    page.route("**/decide", lambda route: route.abort())
    press(page, "y")
    page.wait_for_selector("#alarm:not([hidden])", timeout=10_000)
    assert "Not saved" in page.text_content("#alarm") and row(page) == "r000"
    assert page.text_content("#verdict") == "" and decided(server) == {}
    page.problems.clear()  # the browser reports the aborted request


def test_the_file_drives_the_stage(page, server, folder):
    press(page, "y", "Enter", "d")
    stage = build_stage("review", {"decisions": str(server.desk.path)}, "text")
    step = run_stage(origin(folder, folder, None).data, stage)
    assert "r002" not in step.after.position and "r000" in step.after.position
    assert step.after.labels[step.after.position["r001"]] == "money"


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers.setdefault("Content-Length", str(len(data)))
        headers.setdefault("Content_Type", "application/json")
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(data)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_only_this_machine_with_the_token_is_answered(server):
    good, token = {"decisions": [{"row_id": "r001", "decision": "keep"}]}, server.token
    at = f"127.0.0.1:{server.server_port}"
    assert server.server_address[0] == "127.0.0.1"
    refused = [
        ask(server, "GET", "/"),
        ask(server, "GET", "/?token=wrong"),
        ask(server, "GET", f"/?token={token}", Host=f"evil.example:{server.server_port}"),
        ask(server, "GET", "/state"),
        ask(
            server, "GET", f"/state?token={token}"
        ),  # an address can be sent by another site, a header cannot
        ask(server, "GET", "/state", X_Assay_Token=token, Host="evil.example"),
        ask(server, "POST", "/decide", good),
        ask(server, "POST", "/decide", good, X_Assay_Token="\xe9"),
        ask(server, "POST", "/decide", good, X_Assay_Token=token, Origin="http://evil.example"),
        ask(server, "POST", "/decide", good, X_Assay_Token=token, Host=at, Origin="null"),
    ]
    assert [r[0] for r in refused] == [403] * len(refused)
    assert not any("r001" in r[1] for r in refused) and decided(server) == {}
    plain = ask(server, "POST", "/decide", good, X_Assay_Token=token, Content_Type="text/plain")
    assert plain[0] == 415 and decided(server) == {}
    assert ask(server, "POST", "/decide", good, X_Assay_Token=token, Origin=f"http://{at}")[0] == 200
    assert decided(server) == {"r001": ("keep", "", "")}


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        ({"row_id": "nobody", "decision": "keep"}, "no row 'nobody'"),
        ({"row_id": "r001", "decision": "burn"}, "burn"),
        ({"row_id": "r001", "decision": "relabel", "new_label": "poetry"}, "poetry"),
        ({"row_id": "r001", "decision": "keep", "note": ["a"]}, "note"),
        ("r001", "list of objects"),
    ],
)
def test_a_senseless_decision_is_refused_and_changes_nothing(decision, says, server):
    wanted = {"decisions": [{"row_id": "r002", "decision": "keep"}, decision]}
    status, text, _ = ask(server, "POST", "/decide", wanted, X_Assay_Token=server.token)
    assert status == 400 and says in json.loads(text)["error"] and decided(server) == {}


def test_the_page_forbids_what_it_does_not_need(server):
    status, text, headers = ask(server, "GET", urlsplit(server.address).path + "?token=" + server.token)
    policy = headers["Content-Security-Policy"]
    nonce = policy.split("script-src 'nonce-")[1].split("'")[0]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    assert text.count(f'nonce="{nonce}"') == 2 and "{nonce}" not in text and "http://" not in text
    assert "innerHTML" not in text and "eval(" not in text
    assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"


def test_two_desks_never_share_a_file(desk):
    with desk.taken(), pytest.raises(Busy, match="another assay review serve"), desk.taken():
        pass


def test_serve_says_where_it_is_and_where_the_decisions_are(folder):
    command = [ASSAY, "review", "serve", str(folder), "-w", "w", "--json"]
    with subprocess.Popen(
        command, cwd=folder.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as run:  # fmt: skip
        facts = json.loads("".join(iter(run.stdout.readline, "}\n")) + "}")
        url = urlsplit(facts["url"])
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        body = json.dumps({"decisions": [{"row_id": "r001", "decision": "drop"}]})
        headers = {"X-Assay-Token": url.query.removeprefix("token="), "Content-Type": "application/json"}
        connection.request("POST", "/decide", body, headers)
        assert connection.getresponse().status == 200
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=20)
    assert run.returncode == 0 and "Traceback" not in said
    assert facts["decisions"] in said and "1 drop" in said and 'use = "review"' in said
    (one,) = read_decisions(folder.parent / facts["decisions"])
    assert one[:2] == ("r001", "drop")
