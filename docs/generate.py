"""What the site has besides the pages of this folder: tables read from the code, and documents from elsewhere.

A hook of MkDocs (mkdocs.yml), run by `make docs`. A page has a table's place between `<!-- generated: <name> -->` and
`<!-- end -->`, with a line there for whoever reads the page without the site. No table is committed, so none can be out
of date. Most are made from rows that code_rows.py reads from the code.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
# MkDocs runs in an environment in which the project is not installed.
sys.path[:0] = [str(HERE), str(ROOT)]

from cells import code as _code  # noqa: E402
from cells import table as _table  # noqa: E402
from cells import text as _text  # noqa: E402
from cells import unmarked as _unmarked  # noqa: E402
from code_rows import Row, commands, parameter_rows, sweep_rows, train_config_rows  # noqa: E402
from study_rows import machine_line, verdict_rows  # noqa: E402

from components import errors  # noqa: E402
from components.cost.prices import read_prices  # noqa: E402
from components.errors import AgrivisionError  # noqa: E402
from components.records.source_formats import FORMATS  # noqa: E402
from components.train.settings.node_pools import PROFILES  # noqa: E402
from components.train.settings.strategies import STRATEGIES  # noqa: E402

# Documents that lie outside this folder, by what the site calls them.
DOCUMENTS = {
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "gke.md": "manifests/overlays/gke/README.md",
}
_BLOCK = re.compile(r"<!-- generated: (?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_LOADED = re.compile(r"""<(?:script|img|iframe)[^>]*\bsrc="(?:https?:)?//|<link[^>]*\bhref="(?:https?:)?//""")
_PAGES = {
    "train_config": "train-config.md",
    "train_profile": "node-pools.md#node-pools",
    "train_strategy": "node-pools.md#strategies",
}


def run_parameters() -> str:
    """Returns a table for each stage."""
    rows = parameter_rows()
    keys = ", ".join(row.name for row in train_config_rows())  # have a page of their own
    parts = []
    for group in dict.fromkeys(row.group for row in rows):
        cells = [
            (
                _parameter(row.name),
                row.kind,
                _code(row.default),
                _text(row.meaning.replace(keys, "its keys")),
                "the same" if row.in_form == row.name else _code(row.in_form),
            )
            for row in rows
            if row.group == group
        ]
        parts.append(f"## {group}\n\n{_table(('parameter', 'type', 'default', 'meaning', 'in the run form'), cells)}")
    return "\n\n".join(parts)


def _parameter(name: str) -> str:
    return f"[{_code(name)}]({_PAGES[name]})" if name in _PAGES else _code(name)


def train_config() -> str:
    """Returns a table for each part."""
    rows = train_config_rows()
    parts = []
    for group in dict.fromkeys(row.group for row in rows):
        cells = [
            (_code(row.name), row.kind, _code(row.default), _text(_with_choices(row)))
            for row in rows
            if row.group == group
        ]
        parts.append(f"## {group}\n\n{_table(('key', 'type', 'default', 'meaning'), cells)}")
    return "\n\n".join(parts)


def _with_choices(row: Row) -> str:
    """Returns a meaning with the names that a key may be, unless it names them all."""
    if all(choice in row.meaning for choice in row.choices):
        return row.meaning
    return f"{row.meaning} One of {', '.join(f'`{choice}`' for choice in row.choices)}."


def command_reference() -> str:
    """Returns a section for each command; those that take the run's parameters point to their page."""
    parameters = {row.name for row in parameter_rows()}
    parts = []
    for name, command in commands().items():
        arguments = [each for each in command.params if not each.opts[0].startswith("-")]
        options = [each for each in command.params if each not in arguments]
        if takes_run := parameters <= {each.name for each in options}:
            options = [each for each in options if each.name not in parameters]
        usage = " ".join(["agrivision", name, *(each.name.upper() for each in arguments), "[OPTIONS]"])
        parts += [f"## {name}", f"    {usage}", _text(_unmarked(command.help or ""))]
        if arguments:
            meanings = [(_code(each.name.upper()), _text(each.help or "")) for each in arguments]
            parts.append(_table(("argument", "meaning"), meanings))
        if takes_run:
            parts.append("Takes every [run parameter](parameters.md) as an option: `--train-num-workers` and so on.")
        if options:
            rows = [(_flags(each), _shown(each), _text(each.help or "")) for each in options]
            parts.append(_table(("option", "default", "meaning"), rows))
    return "\n\n".join(parts)


def _flags(option: Any) -> str:
    return ", ".join(_code(flag) for flag in (*option.opts, *option.secondary_opts))


def _shown(option: Any) -> str:
    if option.required:
        return "required"
    if option.is_flag:
        return _code(option.opts[0]) if option.default else ""
    return "" if option.default in (None, "") else _code(str(option.default))


def sweep_settings() -> str:
    """Returns a table of the settings of a sweep."""
    rows = [(_code(f"sweep_{row.name}"), row.kind, _code(row.default), _text(row.meaning)) for row in sweep_rows()]
    return _table(("setting", "type", "default", "meaning"), rows)


def node_pools() -> str:
    """Returns a table of the profiles."""
    rows = [
        (
            _code(name),
            f"{pool.accelerator_count} × {_code(pool.accelerator_type)}" if pool.accelerator_type else "none",
            _code(pool.cpu),
            _code(pool.memory),
            _code(pool.shared_memory) if pool.shared_memory else "",
            "<br>".join(_code(f"{label}={value}") for label, value in pool.node_selector.items()),
            "<br>".join(_code(toleration["key"]) for toleration in pool.tolerations),
        )
        for name, pool in PROFILES.items()
    ]
    return _table(("profile", "accelerators", "cores", "memory", "/dev/shm", "selects nodes with", "tolerates"), rows)


def prices() -> str:
    """Returns a table of the price file that the project ships."""
    shipped = read_prices()
    rows = [
        (
            _code(name),
            _text(price.node),
            f"{price.per_hour:g}",
            f"{price.watts:g}",
            "yes" if price.verified else "**no**",
            _text(price.source),
        )
        for name, price in shipped.profiles.items()
    ]
    header = ("profile", "node", f"{shipped.currency} an hour", "watts, estimated", "verified", "source")
    return f"Looked up on {shipped.date}: {_text(shipped.source)}.\n\n{_table(header, rows)}"


def strategies() -> str:
    """Returns a table of the strategies."""
    rows = []
    for name, strategy in STRATEGIES.items():
        fewest, most = strategy.fewest_workers, strategy.most_workers
        workers = str(fewest) if fewest == most else f"{fewest} to {most}" if most else f"{fewest} or more"
        unfit = ", ".join(_code(precision) for precision in strategy.unfit_precisions)
        rows.append((_code(name), workers, "yes" if strategy.is_lockstep else "no", unfit))
    return _table(("strategy", "workers", "all replicas take each step together", "not with precision"), rows)


def exit_codes() -> str:
    """Returns a table of what the command ends with."""
    rows = [("0", "Done. A refused model is a result, not an error.")]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AgrivisionError)]
    rows += [
        (str(kind.exit_code), _text((kind.__doc__ or "").strip()))
        for kind in sorted(kinds, key=lambda kind: kind.exit_code)
        if kind is not AgrivisionError
    ]
    rows.append(("3", "A finding, and no error: retrain (drift --served), or the canary was withdrawn."))
    rows.append(("4", "A finding, and no error: too little to tell, by drift --served or canary."))
    rows.append(("130", "Interrupted by Ctrl-C; the same command goes on where it was."))
    rows.append(("1", "Anything else."))
    return _table(("code", "meaning"), rows)


def formats() -> str:
    """Returns a table of the image files that are read, converted and refused."""
    return _table(
        ("files", "", "a shard holds, or the reason begins with"),
        [(_text(row.what), row.fate, _text(row.how)) for row in FORMATS],
    )


def study_results() -> str:
    """Returns a table of the claims with their verdicts, from the committed result of the study."""
    rows = [
        (
            f"{_text(row.claim)} *{_text(row.effect)}*",
            f"**{row.verdict}**",
            row.bound,
            row.found,
            row.again,
            _text(row.why),
        )
        for row in verdict_rows()
    ]
    table = _table(("claim, and *its effect*", "verdict", "bound", "effect (interval)", "A/A", "why"), rows)
    return f"{_text(machine_line())}\n\n{table}"


GENERATED: dict[str, Callable[[], str]] = {
    "run-parameters": run_parameters,
    "train-config": train_config,
    "commands": command_reference,
    "sweep-settings": sweep_settings,
    "node-pools": node_pools,
    "prices": prices,
    "strategies": strategies,
    "exit-codes": exit_codes,
    "formats": formats,
    "study-results": study_results,
}


def with_tables(markdown: str) -> str:
    """Returns a page with its tables in their places.

    Raises:
      ValueError: for a table that nothing makes.
    """

    def made(block: re.Match[str]) -> str:
        if block["name"] not in GENERATED:
            raise ValueError(f"unknown table {block['name']!r}; expected one of {', '.join(GENERATED)}")
        return GENERATED[block["name"]]()

    return _BLOCK.sub(made, markdown)


def on_files(files: Any, config: Any) -> Any:
    """MkDocs' hook: adds the documents from elsewhere."""
    from mkdocs.structure.files import File  # type: ignore[import-not-found]  # in an environment of its own

    for page, path in DOCUMENTS.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """MkDocs' hook: puts the tables in, and leads links out of this folder to where the site has their targets."""
    source = ROOT / DOCUMENTS.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return _LINK.sub(lambda link: _within_site(link, source.parent), with_tables(markdown))


def _within_site(link: re.Match[str], folder: Path) -> str:
    if ":" in link["target"]:
        return link[0]
    path = (folder / link["target"]).resolve().relative_to(ROOT)
    by_path = {place: name for name, place in DOCUMENTS.items()}
    if str(path) in by_path:
        return f"[{link['text']}]({by_path[str(path)]}{link['anchor'] or ''})"
    if path.parts[0] == "docs":
        return f"[{link['text']}]({path.relative_to('docs')}{link['anchor'] or ''})"
    return link["text"]  # of a file that the site does not have


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """MkDocs' hook: refuses a page that would load something from elsewhere, and so could not be read offline.

    Raises:
      ValueError: names the page and what it loads.
    """
    if found := _LOADED.search(output):
        raise ValueError(f"{page.file.src_uri} must load nothing from elsewhere, got {output[found.start() :][:120]}")
    return output
