"""A headless Chromium driven over its debugging pipe: enough of the protocol to look at a page, and nothing to install.

``python tests/support/chromium.py ADDRESS PICTURE [WIDTH HEIGHT [SELECTOR]]`` writes what a reader sees there, as PNG.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DEADLINE_S = 60.0
needs_chromium = [
    pytest.mark.debian,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian package chromium)"),
    pytest.mark.xdist_group("chromium"),
]
# Chromium's own background traffic off, so that every request seen is the page's.
_FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--force-color-profile=srgb", "about:blank",
)  # fmt: skip


class Browser:
    """Commands to one browser process and the events it sends; messages end in a NUL byte."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come in between are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)
        raise AssertionError(f"{method}: no answer within {DEADLINE_S} s")

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._from, 1 << 20)
            assert chunk, "Chromium ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


class Tab:
    """One page: what it shows, what it wrote to its console, what it asked the network for."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command to this page."""
        return self._browser.call(method, self._session, **parameters)

    def look(self, width: int, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Set the window's size and the reader's colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, url: str) -> float:
        """Load a page and wait until its scripts are done; return how many seconds that took."""
        started = time.monotonic()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        self.wait("!document.getElementById('browser') || !document.getElementById('browser').hidden")
        return time.monotonic() - started

    def value(self, expression: str) -> Any:
        """Return what an expression gives in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + DEADLINE_S
        while not self.value(condition):
            assert time.monotonic() < until, f"never true: {condition}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press a key, as on a keyboard."""
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def complaints(self) -> list[str]:
        """Return the errors, warnings and exceptions of the page so far."""
        found = []
        for event in self._mine():
            parameters = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(parameters["exceptionDetails"]))
            if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"])
            if event["method"] == "Runtime.consoleAPICalled":
                found.append(str(parameters["args"]))
        return found

    def requests(self) -> list[str]:
        """Return every address the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self._mine()
            if event["method"] == "Network.requestWillBeSent"
        ]

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what a reader sees as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _mine(self) -> Iterator[dict[str, Any]]:
        yield from (event for event in self._browser.events if event.get("sessionId") == self._session)


@contextmanager
def chromium(folder: Path) -> Iterator[Callable[[], Tab]]:
    """Run a browser with its profile in ``folder``; yields what opens a tab."""
    assert CHROMIUM is not None
    its_input, to_browser = os.pipe()
    from_browser, its_output = os.pipe()
    # The browser reads commands from descriptor 3 and answers on 4.
    redirected = f'exec "$@" 3<&{its_input} 4>&{its_output}'
    command = ["bash", "-c", redirected, "chromium", CHROMIUM, *_FLAGS, f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        command, pass_fds=(its_input, its_output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(its_input)
    os.close(its_output)
    browser = Browser(to_browser, from_browser)
    try:
        yield lambda: Tab(browser)
    finally:
        os.close(to_browser)
        os.close(from_browser)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(address: str, picture: str, width: str = "1200", height: str = "1000", selector: str = "") -> None:
    """Write a page as PNG, scrolled to the element that ``selector`` names."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, chromium(Path(folder)) as opener:
        tab = opener()
        tab.look(int(width), int(height))
        tab.open(address)
        if selector:
            tab.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
        tab.picture(Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])
