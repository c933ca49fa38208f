"""The digest of the code that a training's weights follow from: by rooms, and without comments and docstrings."""

import ast
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_COMPONENTS = Path(__file__).parents[2]

# Rooms and files under components/ whose code decides the weights, each with the reason. A room counts with all that is
# in it, at any depth, so that a file that joins it counts too.
COUNTED: Mapping[str, str] = {
    "agrivision.py": "the bands and their order",
    "f1_score.py": "which epoch is the best",
    "scoring/overlap_iou.py": "which epoch of a dense head is the best",
    "ordered_map.py": "the order in which the shards of a split are indexed",
    "records": "which records a split has, and the pixels and labels of each",
    "train/settings": "what a name stands for: a backbone, a strategy, a role",
    "train/input": "which tiles a step sees, and in what form",
    "train/peers": "how workers share out a batch, and add up what they found",
    "train/step": "what a step computes: augmentation, loss, gradient, rate",
    "train/model": "the network, what it starts from, and what is exported of it",
    "train/checkpoint": "what an interrupted training goes on from: it must mean the same to both launches",
    "train/loop": "when blocks learn, when training ends, and which epoch is the best",
    "train/worker": "how all of these are put together",
}

# What a worker imports, or finds in a room above, that does not decide the weights, each with the reason.
NOT_COUNTED: Mapping[str, str] = {
    "contracts": "the manifest counts by its content, which its format version is a part of",
    "environment.py": "tells a process where it is",
    "errors.py": "says how a process ends",
    "ignored.py": "counts what a listing leaves out",
    "printable.py": "escapes text for the log",
    "progress.py": "writes lines to the log",
    "setting.py": "refuses values, and changes none",
    "storage": "brings bytes; shards, tables and weights are checked against their digests",
    "safe_path.py": "refuses names, and changes none",
    "retrying.py": "asks again for the same",
    "scoring/resamples.py": "gives intervals of evaluations",
    "waiting.py": "writes lines to the log",
    "records/source_image.py": "reads the images of a source, which training never sees",
    "records/source_mask.py": "reads the masks of a source",
    "records/source_formats.py": "says what is read of a source; images in records only have a limit from it",
    "records/exif.py": "turns images of a source, before they are records",
    "records/tiff.py": "reads files of a source, which are no records",
    "records/tiff_header.py": "reads files of a source, which are no records",
    "records/webp.py": "reads files of a source, which are no records",
    "records/shard_records.py": "reads shards for evaluate and push",
    "records/tile_pixels.py": "decodes tiles for push and maps",
    "train/__main__.py": "starts worker/main.py",
    "train/settings/config.py": "what it holds counts by its values",
    "train/settings/train_settings.py": "what it holds counts by its values",
    "train/settings/tuning": "what it holds counts by its values; its help texts may be reworded",
    "train/settings/code_digest.py": "this file: what it counts is in the digest",
    "train/settings/devices.py": "finds the devices to launch on; their number changes no result",
    "train/settings/node_pools.py": "says where pods run",
    "train/settings/preflight.py": "refuses settings; the label mode and bands that it resolves count by their value",
    "train/settings/published_weights.py": "copies a file that counts by its sha256",
    "train/settings/quantities.py": "reads the sizes of pods",
    "train/settings/training_id.py": "makes the name; what it puts in counts by its value",
    "train/settings/worker_spec.py": "hands over settings that count by their value, and says how a worker ended",
    "train/model/hdf5_check.py": "refuses weights files, and changes no value",
    "train/peers/agreement.py": "compares weights, and changes none",
    "train/peers/job_member.py": "tells a worker where its peers are",
    "train/peers/rendezvous.py": "lets peers meet",
    "train/peers/lifeline.py": "ends a worker that is alone or stuck",
    "train/loop/observers.py": "watches",
    "train/loop/pace.py": "shares out steps among calls, which changes no step",
    "train/loop/step_clock.py": "watches",
    "train/loop/tensorboard.py": "watches",
}


def code_digest(components: Path = _COMPONENTS) -> str:
    """Returns the sha256 of the code under COUNTED without NOT_COUNTED: of its files' paths, and of their statements.

    Comments, docstrings and layout do not count: rewording one must not cost anybody a training. Python's own syntax
    tree tells them apart, and it is the same for all releases of the one Python, 3.11, that this project runs on.

    Args:
      components: The folder of that name.

    Raises:
      FileNotFoundError: if what is listed is not there; without it, the digest would no longer depend on it.
    """
    digest = hashlib.sha256()
    for path in counted_files(components):
        statements = _statements((components / path).read_bytes())
        digest.update(f"{path}\0{hashlib.sha256(statements.encode()).hexdigest()}\n".encode())
    return digest.hexdigest()


def counted_files(components: Path = _COMPONENTS) -> list[PurePosixPath]:
    """Returns the files that count, relative to the folder `components`, in order.

    Raises:
      FileNotFoundError: if what is listed is not there, or holds no code.
    """
    listed = {path for place in (*COUNTED, *NOT_COUNTED) for path in _files(components, place)}
    return sorted(path for path in listed if is_counted(path))


def is_counted(path: PurePosixPath) -> bool | None:
    """Tells whether a file counts, going by the innermost place that is listed; None if none is."""
    for place in map(str, (path, *path.parents)):
        if place in NOT_COUNTED:
            return False
        if place in COUNTED:
            return True
    return None


def _files(components: Path, place: str) -> list[PurePosixPath]:
    root = components / place
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    if not files:
        raise FileNotFoundError(
            f"no code at {str(root)!r}, which {Path(__file__).name} lists; if it was moved, list its new place, which "
            "gives every training another name"
        )
    return [PurePosixPath(path.relative_to(components).as_posix()) for path in files]


@functools.cache
def _statements(source: bytes) -> str:
    """Returns the syntax tree of a file, without its docstrings, as text."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
