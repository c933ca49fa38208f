"""Lists a local folder: each real folder once, whatever links there are, and none that nobody asked for.

Links could make a small folder endless, or have a run read what its user never meant to give. So the folders that are
really below the root come first, without following a link; then come the links, in the order of their paths, and none
of them leads to a folder that was listed before. What is listed thus does not depend on the order in which the disk
names its files.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator

from components import environment
from components.contracts import SourceFile, WhyIgnored
from components.errors import DataError
from components.ignored import LeftOut, left_out_name
from components.safe_path import is_plain_name, require_safe_path, shown

_LONG = 255  # characters; a longer path has its bytes counted


class NoSuchFolder(DataError):
    """There is no folder of this name."""


def list_folder(root: str, say: Callable[[str], None] | None = None) -> Iterator[SourceFile | LeftOut]:
    """Yields every file under `root`, and what is left out, as storage.list_source does."""
    if not os.path.isdir(root):
        raise NoSuchFolder(f"no such folder: {root!r}")
    try:
        yield from _Listing(root).files(say)
    except PermissionError as error:
        raise DataError(f"cannot list {error.filename!r}: no permission to read it") from error
    except FileNotFoundError as error:
        raise DataError(f"{error.filename!r} has disappeared since it was listed; run again") from error
    except OSError as error:
        raise DataError(f"cannot list {error.filename or root!r}: {error.strerror}") from error


class _Listing:
    """One listing of `root`; remembers the folders it has seen by device and inode."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._real_start = f"{os.path.realpath(root).rstrip('/')}/"
        self._where = f"a file under {root!r}"
        self._may_leave = environment.follows_links()
        self._seen: set[tuple[int, int]] = set()
        self._links: list[str] = []  # to folders, found but not yet followed
        self._num_left_out = 0
        self._left_out = ""

    def files(self, say: Callable[[str], None] | None) -> Iterator[SourceFile | LeftOut]:
        yield from self._below("")
        while self._links:
            links, self._links = sorted(self._links), []
            for path in links:
                if self._is_new(path):
                    yield from self._below(path)
                else:
                    self._num_left_out += 1
                    self._left_out = self._left_out or path
                    yield LeftOut(path, WhyIgnored.LINKED_AGAIN)
        if say and self._num_left_out:
            say(
                f"left out {self._num_left_out:,} links under {self._root!r} to folders that are listed anyway, "
                f"e.g. {shown(self._left_out)}"
            )

    def _is_new(self, path: str) -> bool:
        status = os.stat(os.path.join(self._root, path))
        return (status.st_dev, status.st_ino) not in self._seen

    def _below(self, path: str) -> Iterator[SourceFile | LeftOut]:
        """Yields what is in a folder and in the real folders below it, and notes the links to other folders.

        Args:
          path: Relative to the root; empty for the root itself. A path that leads through a link has that link's path
            as its start.
        """
        is_linked = bool(path)
        folders = [path]
        while folders:
            below = folders.pop()
            folder = os.path.join(self._root, below) if below else self._root
            status = os.stat(folder)
            # What a link led to may hold a folder that another link led to before; real folders alone repeat nothing.
            identity = (status.st_dev, status.st_ino)
            if is_linked and identity in self._seen:
                continue
            self._seen.add(identity)
            start = f"{below}/" if below else ""
            is_empty = True
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    path = start + name
                    if reason := left_out_name(name):
                        yield LeftOut(path, reason)
                        continue
                    is_empty = False
                    if not is_plain_name(name) or len(path) > _LONG:
                        require_safe_path(path, self._where)
                    if entry.is_symlink():
                        mode = self._mode_behind(path)
                        if stat.S_ISDIR(mode):
                            self._links.append(path)
                            continue
                        if not mode:
                            yield LeftOut(path, WhyIgnored.LINK_TO_NOTHING)
                            continue
                    if entry.is_file():
                        status = entry.stat()
                        yield SourceFile(path, status.st_size, str(status.st_mtime_ns))
                    elif entry.is_dir():
                        folders.append(path)
                    else:
                        yield LeftOut(path, WhyIgnored.SPECIAL)
            if is_empty and below:
                yield LeftOut(below, WhyIgnored.EMPTY_FOLDER)

    def _mode_behind(self, path: str) -> int:
        """Checks a link; returns the mode of what it leads to, 0 if that is nothing.

        Raises:
          DataError: if it leads to itself, or out of the root.
        """
        link = os.path.join(self._root, path)
        try:
            mode = os.stat(link).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise DataError(
                f"the link {shown(path)} under {self._root!r} leads to itself; remove it, or have it lead to a file"
            ) from error
        if not self._may_leave and not f"{(real := os.path.realpath(link))}/".startswith(self._real_start):
            raise DataError(
                f"the link {shown(path)} under {self._root!r} leads out of that folder, to {real!r}; "
                "copy the files there instead, or set AGRIVISION_FOLLOW_LINKS=true to follow such links"
            )
        return mode
