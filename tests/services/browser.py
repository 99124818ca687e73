"""A real browser, headless, steered through chromedriver by the W3C WebDriver protocol."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.services.eventually import PATIENCE, wait_until
from tests.services.ports import free_port

AVAILABLE = bool(shutil.which("chromium") and shutil.which("chromedriver"))

# No sandbox, because containers that run tests as root have none; no network of its own.
_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the protocol gives to references


class Browser:
    def __init__(self, driver_url: str, profile: Path, *, scripts: bool) -> None:
        self._url = driver_url
        options: dict[str, Any] = {"args": [*_ARGUMENTS, f"--user-data-dir={profile}"]}
        if not scripts:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        match = {"browserName": "chrome", "goog:chromeOptions": options}
        session = self._send("POST", "/session", {"capabilities": {"alwaysMatch": match}})
        self._url += f"/session/{session['sessionId']}"
        self._send(
            "POST", "/timeouts", {"implicit": int(1_000 * PATIENCE)}
        )  # a page may take a while

    def open(self, url: str) -> None:
        self._send("POST", "/url", {"url": url})

    def text(self, selector: str = "body") -> str:
        return str(self._send("GET", f"/element/{self._find(selector)}/text"))

    def value(self, selector: str) -> str:
        return str(self._send("GET", f"/element/{self._find(selector)}/property/value"))

    def write(self, selector: str, text: str) -> None:
        element = self._find(selector)
        self._send("POST", f"/element/{element}/clear", {})
        self._send("POST", f"/element/{element}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._send("POST", f"/element/{self._find(selector)}/click", {})

    def style(self, selector: str, name: str) -> str:
        return str(self._send("GET", f"/element/{self._find(selector)}/css/{name}"))

    def close(self) -> None:
        self._send("DELETE", "")

    def _find(self, selector: str) -> str:
        found = self._send("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(json.load(error)["value"]["message"]) from None


@contextlib.contextmanager
def browser(folder: Path, *, scripts: bool = True) -> Iterator[Browser]:
    """A browser with a fresh profile in `folder`; without `scripts`, JavaScript is off."""
    port = free_port()
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(f"{url}/status"))
        found = Browser(url, folder / "profile", scripts=scripts)
        try:
            yield found
        finally:
            found.close()
    finally:
        driver.terminate()
        driver.wait(PATIENCE)


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=PATIENCE):
        return True
    return False
