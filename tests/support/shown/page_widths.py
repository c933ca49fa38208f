"""Measures HTML pages in headless Chromium, in frames of given widths."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, to lay pages out")
# Runs in each page, and tells the page around it what sticks out.
_PROBE = """<script>addEventListener("load", () => {
  const width = document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().width && each.getBoundingClientRect().right > width + 0.5)
    .map((each) => `${each.tagName} to ${Math.round(each.getBoundingClientRect().right)}: `
      + each.textContent.slice(0, 60));
  parent.postMessage({ name: %s, height: document.documentElement.scrollHeight, wide: wide.slice(0, 5) }, "*");
});</script>"""
_AROUND = """<pre id="out"></pre><script>const all = [];
addEventListener("message", (event) => {
  all.push(event.data);
  document.getElementById("out").textContent = JSON.stringify(all);
});</script>"""


def measured(pages: Mapping[str, str], widths: Sequence[int], folder: Path) -> dict[tuple[str, int], Any]:
    """Returns by page and width its `height` in pixels, and `wide`: the first elements that are wider than it."""
    frames = []
    for name, text in pages.items():
        for width in widths:
            key = f"{name}-{width}"
            (folder / f"{key}.html").write_text(text + _PROBE % json.dumps([name, width]))
            frames.append(f'<iframe src="{key}.html" style="width:{width}px;height:600px;border:0"></iframe>')
    (folder / "around.html").write_text(_AROUND + "".join(frames))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command = [str(CHROMIUM), *options, "--virtual-time-budget=30000", "--dump-dom", str(folder / "around.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    results = {tuple(each.pop("name")): each for each in json.loads(html.unescape(found[1]))}
    assert len(results) == len(frames)
    return results
