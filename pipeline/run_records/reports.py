"""Copies the reports of the newest runs to a folder of this machine, for a job of CI to attach."""

from collections.abc import Callable, Iterable
from pathlib import Path

from components import storage
from components.contracts import RunRecord
from components.errors import AgrivisionError, as_user_error
from components.safe_path import require_safe_path

_MOST_RUNS = 5
_MOST_BYTES = 50_000_000  # of one report


def data_report_uri(data_root: str, manifest_sha256: str) -> str:
    """Returns where the report of a dataset lies; its folder is named as `Manifest.dataset_id` says."""
    return storage.join(data_root, "datasets", manifest_sha256[:16], "report.html")


def copy_reports(newest: Iterable[tuple[str, RunRecord]], folder: Path, warn: Callable[[str], None]) -> None:
    """Copies the record of each run, and the report of its data.

    Where a report lies is told by data_root and the hash of the manifest, not by the links of a record: whoever can
    write a record could name any object that the one who copies may read, and have it published.

    Args:
      newest: Records, newest first, each after its data_root.
      folder: Is made; each run has a folder in it.
      warn: Takes a line about a report that could not be had.
    """
    for data_root, record in [*newest][:_MOST_RUNS]:
        target = folder / require_safe_path(record.run_id, "a record")
        storage.write_bytes(str(target / "record.json"), record.to_json())
        if not record.manifest_sha256:
            continue
        uri = data_report_uri(data_root, record.manifest_sha256)
        try:
            if (size := storage.size(uri)) is None or size > _MOST_BYTES:
                warn(
                    f"no data report of run {record.run_id} at {uri!r}, or one of more than {_MOST_BYTES / 1e6:.0f} MB"
                )
                continue
            storage.write_bytes(str(target / "data-report.html"), storage.read_bytes(uri))
        except (AgrivisionError, OSError) as error:
            warn(f"the data report of run {record.run_id} was not copied: {as_user_error(error) or error}")
