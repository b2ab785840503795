"""A headless Chromium that tells what a page did: script run, dialogs, requests, errors."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import pytest

HOW = (
    "needs playwright and Chromium: pip install playwright && apt-get install chromium "
    "(or playwright install chromium; or set CHROMIUM to the program)"
)
_POKE = """() => {
  for (const element of document.querySelectorAll('*')) {
    for (const name of ['mouseover', 'pointerenter', 'focus', 'error', 'toggle', 'scroll', 'animationstart'])
      element.dispatchEvent(new Event(name));
  }
}"""


def chromium():
    """Return the path of a Chromium, None where there is none."""
    here = [
        os.environ.get("CHROMIUM"),
        "/usr/bin/chromium",
        shutil.which("chromium"),
        shutil.which("google-chrome"),
    ]
    return next((path for path in here if path and os.path.exists(path)), None)


@contextmanager
def browser():
    """Open a browser for the session; skip the test where that is impossible."""
    sync_api = pytest.importorskip("playwright.sync_api", reason=HOW)
    with sync_api.sync_playwright() as playwright:
        path = chromium()
        try:
            opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error:
            pytest.skip(HOW)
        yield opened
        opened.close()


class Watched:
    """One tab that records what pages do; `bypass_csp` takes the policy away, so escaping stands alone."""

    def __init__(self, opened, bypass_csp=True):
        self.context = opened.new_context(bypass_csp=bypass_csp, accept_downloads=True)
        self.page = self.context.new_page()
        self.did = []
        self.page.on("dialog", self._dialog)
        self.page.on("pageerror", lambda error: self.did.append(f"error: {error}"))
        self.page.on("popup", lambda _: self.did.append("popup"))
        self.context.route("**/*", self._request)

    def open(self, path):
        """Open a page, poke at every element, and return what it did that it should not."""
        self.did, self.own = [], path.as_uri()
        self.page.goto(self.own, wait_until="load")
        self.page.evaluate(_POKE)
        if self.page.evaluate("window.PWN"):
            self.did.append("script ran")
        if self.page.url.partition("#")[0] != self.own:
            self.did.append(f"went to {self.page.url}")
        if len(self.page.frames) > 1:
            self.did.append("frame")
        return self.did

    def _dialog(self, dialog):
        self.did.append("dialog")
        dialog.dismiss()

    def _request(self, route):
        url = route.request.url
        if url == self.own or url.startswith("data:,"):
            route.continue_()
        else:
            self.did.append(f"request: {url}")
            route.abort()
