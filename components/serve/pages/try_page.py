"""The page to try the server: one HTML file, which asks nobody but the server that it came from."""

import base64
import hashlib
import html
import re
from pathlib import Path

_PAGE, _WHERE = (Path(__file__).with_name(name) for name in ("try_page.html", "where_seen.js"))
_INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


def try_page(name: str) -> str:
    """Returns the page for a model of this name."""
    page, where = _PAGE.read_text(encoding="utf-8"), _WHERE.read_text(encoding="utf-8")
    return page.replace("{{where_seen}}", where).replace("{{model}}", html.escape(name))


def policy_of(page: str) -> str:
    """Returns the Content-Security-Policy of a page: its own style and script, known by their digests, and no other."""
    allowed: dict[str, list[str]] = {"style": [], "script": []}
    for kind, text in _INLINE.findall(page):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        allowed[kind].append(f"'sha256-{digest}'")
    styles, scripts = (" ".join(allowed[kind]) or "'none'" for kind in ("style", "script"))
    return (
        f"default-src 'none'; style-src {styles}; script-src {scripts}; img-src blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
