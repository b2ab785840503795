"""A page for review, served to this machine alone: standard library, one HTML file, a secret in the address.

Every request must name a loopback host (no DNS rebinding) and carry the token; a decision must be a JSON POST
with the token in a header, which no other site's page can send.
"""

from __future__ import annotations

import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flows.review_desk import Desk

PAGE = Path(__file__).with_name("review_page.html")
MOST_BYTES = 1 << 16  # of one request


class ReviewServer(ThreadingHTTPServer):
    """One desk on 127.0.0.1; `address` is what to open."""

    daemon_threads = True

    def __init__(self, desk: Desk, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.desk, self.token = desk, secrets.token_urlsafe(24)
        self.page = PAGE.read_text("utf-8")

    @property
    def hosts(self) -> set[str]:
        """The Host headers that are answered."""
        return {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def address(self) -> str:
        """The page's URL, with its token."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"


class Handler(BaseHTTPRequestHandler):
    """GET / is the page, GET /state what it shows, GET /picture a row's picture, POST /decide a decision."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "assay", ""
    timeout = 60  # seconds that an idle connection may keep a thread

    def do_GET(self) -> None:
        """Serve the page or its state."""
        url = urlsplit(self.path)
        if url.path == "/" and self._allowed(parse_qs(url.query).get("token", [""])[0]):
            nonce = secrets.token_urlsafe(16)
            self._send(HTTPStatus.OK, self.server.page.replace("{nonce}", nonce), "text/html", nonce)
        elif url.path == "/state" and self._allowed(self.headers.get("X-Assay-Token", "")):
            self._json(HTTPStatus.OK, self.server.desk.state)
        elif url.path == "/picture" and self._allowed(self.headers.get("X-Assay-Token", "")):
            asked = parse_qs(url.query)
            try:
                found = self.server.desk.picture(asked.get("row", [""])[0], "small" in asked)
                self._json(HTTPStatus.OK, {"picture": found})
            except ValueError as error:
                self._json(HTTPStatus.NOT_FOUND, {"error": str(error)})
        elif url.path not in ("/", "/state", "/picture"):
            self._json(HTTPStatus.NOT_FOUND, {"error": "no such page"})

    def do_POST(self) -> None:
        """Take decisions: a JSON object with a list of them."""
        if not self._allowed(self.headers.get("X-Assay-Token", "")):
            return
        if urlsplit(self.path).path != "/decide":
            return self._json(HTTPStatus.NOT_FOUND, {"error": "no such page"})
        if self.headers.get_content_type() != "application/json":
            return self._json(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": "send application/json"})
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return self._json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"at most {MOST_BYTES} bytes"})
        try:
            wanted = json.loads(self.rfile.read(int(length)))["decisions"]
            if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
                raise ValueError("decisions must be a list of objects")
            now = self.server.desk.decide(wanted)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return self._json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except OSError as error:
            return self._json(HTTPStatus.INSUFFICIENT_STORAGE, {"error": f"not written: {error.strerror}"})
        return self._json(HTTPStatus.OK, {"now": now})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is for the address and for the end."""

    def _allowed(self, token: str) -> bool:
        """Return whether a request may be answered; answers 403 where not."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        at_home = host in self.server.hosts and origin in (None, f"http://{host}")
        if at_home and secrets.compare_digest(token.encode(), self.server.token.encode()):
            return True
        what = "open the address that assay review serve printed, token included"
        self._json(HTTPStatus.FORBIDDEN, {"error": what})
        return False

    def _json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, json.dumps(value), "application/json")

    def _send(self, status: HTTPStatus, text: str, kind: str, nonce: str = "") -> None:
        own = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; " if nonce else ""
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body)),
            "Content-Security-Policy": f"default-src 'none'; {own}img-src data:; base-uri 'none'; "
                                       "form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        }.items():  # fmt: skip
            self.send_header(name, value)
        if status >= HTTPStatus.BAD_REQUEST:  # what is left of a refused request is not read as the next one
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)
