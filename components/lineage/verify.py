"""Re-hashes everything that a version's documents name, and names each file that was changed, is missing or is new."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator

from components import storage
from components.contracts import Ledger, ShardReceipt
from components.contracts.registry import Action
from components.dataset.kept_documents import pushed_uri
from components.dataset.receipts import receipt_sha256
from components.errors import DataError
from components.lineage.ancestors import Ancestors, Problem
from components.lineage.expected_files import ClosedFolder, ExpectedFile, closed_folders, expected_files
from components.ordered_map import map_in_order, num_threads_for
from components.registry.channels import all_moves, read_channel
from components.registry.layout import card_uri, channel_names, channel_uri, state_uri

_BYTES_AT_ONCE = 16 << 20
_MOST_UNEXPECTED = 1000  # of a folder that are named


def verify_ancestors(found: Ancestors, advance: Callable[[int], None]) -> list[Problem]:
    """Returns what is wrong with any file that the version's documents name, sorted by place.

    Args:
      found: What read_ancestors has found, with the problems of the documents themselves.
      advance: Called with how many of the files have been looked at since the last call.
    """
    problems = [*found.problems, *_of_card(found), *_of_channels(found), *_of_ledger(found)]
    files = list(dict.fromkeys(expected_files(found)))
    is_remote = any(storage.is_remote(root) for root in (found.models_uri, found.data_root) if root)
    with contextlib.closing(map_in_order(_problem_of, files, num_threads_for(is_remote))) as results:
        for problem in results:
            advance(1)
            if problem:
                problems.append(problem)
    for folder in closed_folders(found):
        problems += _unexpected(folder)
    first = {problem.uri: problem for problem in reversed(problems)}
    return [first[uri] for uri in sorted(first)]


def num_files(found: Ancestors) -> int:
    """Returns how many files verify_ancestors will look at."""
    return len(set(expected_files(found)))


def _problem_of(file: ExpectedFile) -> Problem | None:
    try:
        if file.is_receipt:
            content = storage.read_bytes(file.uri)
            ShardReceipt.from_json(content, file.uri)
            came = receipt_sha256(content)
        else:
            came = file_sha256(file.uri)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return Problem(file.uri, "missing", "")
    except DataError as error:
        return Problem(file.uri, "changed", str(error).partition("; ")[0])
    except OSError as error:
        return Problem(file.uri, "changed", f"it cannot be read: {error.strerror}")
    if came.startswith(file.sha256):
        return None
    return Problem(file.uri, "changed", f"it has sha256 {came[:16]}…, expected {file.sha256[:16]}…")


def file_sha256(uri: str) -> str:
    """Returns the sha256 of a file or an object, which is never in memory as a whole.

    Raises:
      FileNotFoundError: if there is none.
    """
    if not storage.is_remote(uri):
        with storage.local_copy(uri) as local, local.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    digest = hashlib.sha256()
    size = storage.size(uri)
    if size is None:
        raise FileNotFoundError(uri)
    for offset in range(0, size, _BYTES_AT_ONCE):
        digest.update(storage.read_range(uri, offset, min(_BYTES_AT_ONCE, size - offset)))
    return digest.hexdigest()


def _unexpected(folder: ClosedFolder) -> Iterator[Problem]:
    try:
        names = sorted(file.path for file in storage.list_files(folder.uri))
    except storage.NoSuchFolder:
        return  # each file that should be there is named as missing
    except (OSError, DataError) as error:  # e.g. a link that leads out of the folder
        yield Problem(folder.uri, "unexpected", str(error).partition("; ")[0])
        return
    for name in [name for name in names if name not in folder.paths][:_MOST_UNEXPECTED]:
        yield Problem(storage.join(folder.uri, name), "unexpected", "no document names it")


def _of_card(found: Ancestors) -> Iterator[Problem]:
    """Yields which of three was changed that name the card's sha256: the card itself, its state, or the witness."""
    card, state, witness = found.card, found.state, found.witness
    there = card_uri(found.models_uri, card.version)
    places = {there: found.card_sha256}
    if state is not None and state.card_sha256:
        places[state_uri(found.models_uri, card.version)] = state.card_sha256
    if witness is not None:
        uri = pushed_uri(found.data_root, card.version)
        places[uri] = witness.card_sha256
        told = (witness.version, witness.training_id, witness.manifest_sha256)
        if witness.card_sha256 == found.card_sha256 and told != (
            card.version,
            card.training_id,
            card.manifest_sha256,
        ):
            yield Problem(uri, "changed", "it tells of another training than the card")
    counts = {sha256: [*places.values()].count(sha256) for sha256 in places.values()}
    if len(counts) == 1:
        return
    most = max(counts.values())
    for uri, sha256 in places.items():
        if len(places) > 2 and counts[sha256] == most > 1:
            continue
        if len(places) == 2 and uri != there:
            continue
        others = ", ".join(repr(other) for other in places if other != uri)
        yield Problem(uri, "changed", f"it disagrees with {others} about the card that was pushed")


def _of_channels(found: Ancestors) -> Iterator[Problem]:
    """Yields the channels that cannot be read, or whose version is not that of their last move."""
    for name in channel_names(found.models_uri):
        uri = channel_uri(found.models_uri, name)
        try:
            state, _ = read_channel(found.models_uri, name)
            moves = [] if state is None else all_moves(found.models_uri, name, state)
        except (DataError, OSError) as error:
            yield Problem(uri, "changed", str(error).partition("; ")[0])
            continue
        moved = [move for move in moves if move.action != Action.MARK]
        if state is not None and moved and moved[-1].version != state.version:
            yield Problem(uri, "changed", f"it names {state.version}, and its last move {moved[-1].version}")


def _of_ledger(found: Ancestors) -> Iterator[Problem]:
    """Yields the ledger of the test set if it is damaged; a gate that never asked leaves none."""
    test_set = found.card.lineage.test_set if found.card.lineage else ""
    if not test_set:
        return
    uri = storage.join(found.models_uri, "gate", f"{test_set}.json")
    try:
        ledger = Ledger.from_json(storage.read_bytes(uri), uri)
    except FileNotFoundError:
        return
    except DataError as error:
        yield Problem(uri, "changed", str(error).partition("; ")[0])
        return
    if ledger.test_set != test_set:
        yield Problem(uri, "changed", "it is the ledger of another test set")
