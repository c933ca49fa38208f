"""Prints a tree of links for people; what is in it from documents cannot steer the terminal."""

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from components.lineage.link_tree import Link
from components.printable import printable

_MOST_TEXT = 200  # characters of a fact
_SETTING = "config."  # facts that fill one line together


def show_tree(root: Link) -> None:
    """Prints the tree to standard output."""
    tree = Tree(_line(root), guide_style="dim")
    _add(tree, root)
    console = Console(highlight=False)
    if not console.is_terminal:  # a program reads whole lines
        console.width = _MOST_TEXT * 10
    console.print(tree)


def _add(tree: Tree, link: Link) -> None:
    settings = []
    for name, value in link.facts.items():
        if name.startswith(_SETTING):
            settings.append(f"{name.removeprefix(_SETTING)}={value}")
        else:
            tree.add(Text(printable(f"{name}: {value}")[:_MOST_TEXT]))
    if settings:
        tree.add(Text(printable(f"parameters: {', '.join(settings)}")))
    for below in link.links:
        _add(tree.add(_line(below)), below)


def _line(link: Link) -> Text:
    text = Text(printable(f"{link.kind} {link.name}"), style="bold")
    if link.place:
        text.append(printable(f"  {link.place}"), style="not bold")
    if link.note:
        text.append(printable(f"  ({link.note})"), style="not bold dim")
    return text
