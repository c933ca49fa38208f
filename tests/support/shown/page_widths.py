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
  const broken = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (node.parentElement.closest("script, style")) continue;
    for (const word of node.data.matchAll(/[A-Za-z]{2,}/g)) {
      if (word[0].length > 14) continue;
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((each) => Math.round(each.top)));
      if (tops.size > 1) broken.push(`${node.parentElement.tagName} ${word[0]} in ${node.data.slice(0, 60)}`);
    }
  }
  const height = document.documentElement.scrollHeight;
  parent.postMessage({ name: %s, height, wide: wide.slice(0, 5), broken: broken.slice(0, 5) }, "*");
});</script>"""
_AROUND = """<pre id="out"></pre><script>const all = [];
addEventListener("message", (event) => {
  all.push(event.data);
  document.getElementById("out").textContent = JSON.stringify(all);
});</script>"""


def measured(pages: Mapping[str, str], widths: Sequence[int], folder: Path) -> dict[tuple[str, int], Any]:
    """Returns what is to be said of each page at each width.

    Its `height` in pixels; `wide`: the first elements that are wider than it; `broken`: the first words of at most 14
    letters that begin on one line and end on another.
    """
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
