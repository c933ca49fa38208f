"""The documents of the repository, what is in them, and the generator of the site's tables."""

import functools
import importlib.util
import re
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = [README, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")), *PAGES]
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)

_INDENTED = re.compile(r"(?:(?<=\n\n)|(?<=\A))(?: {4}.*\n)+")


@functools.cache
def load_generator():
    """Returns docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_code(text):
    """Returns a document without its blocks and spans of code."""
    return re.sub(r"`[^`\n]*`", "", _INDENTED.sub("", FENCE.sub("", text)))


def code_lines(text):
    """Returns the lines of all blocks of code, those joined that end in a backslash, without their remarks."""
    blocks = [match["text"] for match in FENCE.finditer(text)] + [match[0] for match in _INDENTED.finditer(text)]
    joined = re.sub(r" \\\n\s*", " ", "\n".join(blocks))
    return [re.split(r"\s+#\s", line.strip())[0] for line in joined.splitlines() if line.strip()]


def calls(text, program):
    """Returns the words after each `program` in a document's blocks of code, a list for each call."""
    parts = (part for line in code_lines(text) for part in re.split(r"&&|\|\|", line))
    named = [part for part in parts if re.match(rf"\s*(\S*/)?{program}(\s|$)", part)]
    # What stands for something else, in angle brackets, is one word and no redirection.
    return [shlex.split(re.sub(r"<([^<>]*)>", lambda match: match[1].replace(" ", "_"), part))[1:] for part in named]
