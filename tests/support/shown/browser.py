"""Chromium without a window, steered by its DevTools protocol: it opens pages, takes files, runs scripts, and looks."""

import base64
import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import websocket
from page_widths import CHROMIUM

_SECONDS = 60.0


class Page:
    """A page that is open.

    Attributes:
      asked: The URLs that it has asked for.
      complaints: What the browser has said of it: errors of scripts, and of its policy.
    """

    def __init__(self, address: str) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._socket = websocket.create_connection(address, timeout=_SECONDS, suppress_origin=True)
        self._number = 0
        for domain in ("Page", "Runtime", "DOM", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            self._note(message)
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]

    def _note(self, message: dict[str, Any]) -> None:
        what, of = message.get("method"), message.get("params", {})
        if what == "Network.requestWillBeSent":
            self.asked.append(of["request"]["url"])
        elif what == "Runtime.exceptionThrown":
            self.complaints.append(str(of["exceptionDetails"].get("exception", of)))
        elif what == "Log.entryAdded" and of["entry"]["level"] == "error":
            self.complaints.append(f"{of['entry']['text']} {of['entry'].get('url', '')}")

    def open(self, url: str, width: int, height: int = 900) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Returns the value of an expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Waits until an expression is true."""
        deadline = time.monotonic() + _SECONDS
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < deadline, (script, self.complaints, self.run("document.body.innerText"))
            time.sleep(0.05)

    def choose(self, selector: str, *paths: Path) -> None:
        """Gives files to an input, as a person who chooses them."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def drop(self, selector: str, *paths: Path) -> None:
        """Drops files onto an element, as a person who drags them there."""
        box = self.run(
            f"(() => {{ const r = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + 10]; })()"
        )
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=box[0], y=box[1], data=data)

    def wide(self) -> list[str]:
        """Returns what is wider than the page."""
        return self.run(
            "[...document.body.querySelectorAll('*')]"
            ".filter((each) => each.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)"
            ".map((each) => each.tagName + ' ' + each.id + each.className + ': ' + each.textContent.slice(0, 40))"
        )

    def picture(self, path: Path) -> None:
        """Writes the whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def browser(folder: Path, options: Sequence[str] = ()) -> Iterator[Page]:
    """Runs Chromium with a profile of its own in a folder, and yields a page."""
    import urllib.request

    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *options]
    command += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        named = folder / "DevToolsActivePort"
        deadline = time.monotonic() + _SECONDS
        while not (named.exists() and named.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        port = named.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=_SECONDS) as response:
            targets = json.load(response)
        page = Page(next(each["webSocketDebuggerUrl"] for each in targets if each["type"] == "page"))
        try:
            yield page
        finally:
            page.close()
    finally:
        process.kill()
        process.wait()
