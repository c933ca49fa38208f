"""The page /docs: the OpenAPI document for people, as one HTML file without scripts."""

import html
import json
from collections.abc import Mapping
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 56rem; padding: 1rem; color: #1c2b1f; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .3rem; overflow-wrap: anywhere; }
code, pre { font: .9em ui-monospace, monospace; } pre { background: #f2f5f0; padding: .8rem; overflow-x: auto; }
.method { background: #2f6b3a; border-radius: .3rem; color: #fff; padding: .1rem .45rem; margin-right: .4rem; }
table { border-collapse: collapse; } td { padding: .15rem .8rem .15rem 0; vertical-align: top; }
"""


def docs_page(document: Mapping[str, Any]) -> str:
    """Returns the page of an OpenAPI document."""
    info = document["info"]
    parts = [f"<p>{html.escape(info['summary'])} For programs: <a href='openapi.json'>openapi.json</a>.</p>"]
    for path, operations in document["paths"].items():
        parts += [_operation(method, path, operations[method]) for method in ("get", "post") if method in operations]
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        text = html.escape(json.dumps(schema, indent=1))
        parts.append(f"<details id='{name}'><summary>{name}</summary><pre>{text}</pre></details>")
    title = html.escape(info["title"])
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{''.join(parts)}</html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{code}</code></td><td>{html.escape(response['description'])}</td></tr>"
        for code, response in operation["responses"].items()
    )
    more = html.escape(operation.get("description", ""))
    return (
        f"<h2><span class='method'>{method.upper()}</span><code>{html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation['summary'])} {more}</p><table>{rows}</table>"
    )
