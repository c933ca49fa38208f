"""The file of a dataset's sums by field, beside its manifest: one JSON line for each split, field and year."""

import contextlib
import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from components import storage
from components.contracts import FieldSums, Manifest
from components.dataset.field_table import FieldTable
from components.errors import DataError, naming_place

NAME = "fields.jsonl"
_ROWS_AT_A_TIME = 256


@contextlib.contextmanager
def field_file(table: FieldTable) -> Iterator[tuple[Path, str]]:
    """Yields a temporary file of the sums by split, field and year, and its sha256; equal sums give equal bytes."""
    encoder = msgspec.json.Encoder(order="sorted")
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        with naming_place(path), path.open("wb") as file:
            for row in table.rows():
                line = encoder.encode(row) + b"\n"
                digest.update(line)
                file.write(line)
        yield path, digest.hexdigest()


def beside(manifest_uri: str) -> str:
    """Returns the location of the file that belongs to a manifest."""
    folder, slash, _ = manifest_uri.rpartition("/")
    return f"{folder}{slash}{NAME}"


def read_fields(manifest_uri: str, manifest: Manifest) -> FieldTable:
    """Reads the sums by field beside the manifest at `manifest_uri`, wherever that is.

    Raises:
      DataError: if there are none, or they do not match the manifest.
    """
    dataset, uri = f"dataset {manifest.sha256[:16]}", beside(manifest_uri)
    if not manifest.fields_sha256:
        raise DataError(
            f"{dataset} has no sums by field, because an earlier version made it; "
            "run the pipeline again on the same source to get them"
        )
    table = FieldTable(manifest.classes, len(manifest.bands))
    decoder = msgspec.json.Decoder(tuple[str, FieldSums])
    with _checked_copy(uri, dataset, manifest.fields_sha256) as local, local.open("rb") as lines:
        try:
            for split, rows in itertools.groupby(map(decoder.decode, lines), key=lambda line: line[0]):
                while block := [row for _, row in itertools.islice(rows, _ROWS_AT_A_TIME)]:
                    table.add(split, block)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise DataError(f"{uri!r} does not hold the sums by field of {dataset}: {error}") from error
    return table


def check_fields(uri: str, manifest: Manifest) -> None:
    """Compares the file with the manifest; does nothing if the manifest names none, as in earlier versions.

    Raises:
      DataError: if it is missing or differs.
    """
    if manifest.fields_sha256:
        with _checked_copy(uri, f"dataset {manifest.sha256[:16]}", manifest.fields_sha256):
            pass


@contextlib.contextmanager
def _checked_copy(uri: str, dataset: str, sha256: str) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        try:
            local = stack.enter_context(storage.local_copy(uri))
            with local.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise DataError(
                f"the sums by field of {dataset} are missing: no {uri!r}; they lie beside the manifest in "
                "<data_root>/datasets/<id>/, so give the path of the manifest there"
            ) from error
        if found != sha256:
            root = uri.rpartition("/datasets/")[0] or uri.rpartition("/")[0]
            raise DataError(
                f"{uri!r} has sha256 {found[:16]}…, expected {sha256[:16]}…; "
                f"{storage.delete_it(root, uri)} and run the pipeline again on the same source"
            )
        yield local
