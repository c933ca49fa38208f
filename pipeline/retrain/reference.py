"""What a source is compared with: what production was trained on, or else the tiles of its last run that ended."""

import dataclasses
import re

from components import storage
from components.contracts import AttemptState, Manifest, RunOutcome, Trigger
from components.contracts.names import UtcTime
from components.dataset.manifest_file import NAME as MANIFEST_NAME
from components.dataset.manifest_file import read_manifest
from components.errors import DataError
from components.merge.merge import DATASETS_FOLDER
from components.registry import read_production
from components.registry.layout import read_card
from pipeline.retrain.inventories import TileLines, all_tile_lines, tile_lines_of
from pipeline.retrain.triggers import FOLDER

_TRIGGER = re.compile(r"[0-9a-f]{64}\.json")


@dataclasses.dataclass(frozen=True)
class Reference:
    """Earlier tiles.

    Attributes:
      name: What they are, in words.
      since: When the model was pushed, or the run ended; None if that is unknown.
      manifest_sha256: The dataset that was made of them; empty if that is unknown.
      manifest_uri: Where it is; empty if it is not under data_root.
      manifest: The dataset; None if it is not there.
      fingerprint: Of their source; empty if only the dataset is known.
    """

    name: str
    since: UtcTime | None
    manifest_sha256: str = ""
    manifest_uri: str = ""
    manifest: Manifest | None = None
    fingerprint: str = ""

    def tile_lines(self, data_root: str, max_16_bit: int, likely: str) -> TileLines | None:
        """Returns what ingest wrote of the tiles; None if that is no longer there. See inventories.tile_lines_of."""
        if self.manifest is not None:
            return tile_lines_of(data_root, self.manifest, max_16_bit, likely)
        if not self.fingerprint:
            return None
        found = (each for each in all_tile_lines(data_root) if self.fingerprint.startswith(each.fingerprint_start))
        return next(found, None)


def find_reference(data_root: str, models_uri: str, source_uri: str) -> Reference | None:
    """Returns what to compare a source with; None if nothing was ever made of one.

    Raises:
      DataError: if production's card or dataset, or a trigger, cannot be read.
    """
    return _of_production(data_root, models_uri) or _of_last_trigger(data_root, source_uri)


def _of_production(data_root: str, models_uri: str) -> Reference | None:
    production, _ = read_production(models_uri)
    if production is None or production.version is None:
        return None
    card = read_card(models_uri, production.version)
    dataset = card.manifest_sha256[:16]
    uri = storage.join(data_root, DATASETS_FOLDER, dataset, MANIFEST_NAME)
    manifest = read_manifest(uri)[0] if storage.exists(uri) else None
    return Reference(
        name=f"production, version {card.version}, trained on dataset {dataset}",
        since=card.lineage.pushed_at if card.lineage else None,
        manifest_sha256=card.manifest_sha256,
        manifest_uri=uri if manifest else "",
        manifest=manifest,
    )


def _of_last_trigger(data_root: str, source_uri: str) -> Reference | None:
    """Returns the tiles of the last run of a source that came to a decision about a model."""
    last: tuple[str, Trigger] | None = None
    try:
        names = [file.path for file in storage.list_files(storage.join(data_root, FOLDER))]
    except storage.NoSuchFolder:
        return None
    for name in names:
        if not _TRIGGER.fullmatch(name):
            continue
        uri = storage.join(data_root, FOLDER, name)
        try:
            trigger = Trigger.from_json(storage.read_bytes(uri), uri)
        except FileNotFoundError:
            continue  # removed meanwhile
        attempt = trigger.last
        if trigger.source_uri != source_uri or attempt.state is not AttemptState.ENDED or attempt.ended_at is None:
            continue
        if attempt.outcome not in (RunOutcome.PUSHED, RunOutcome.REFUSED):
            continue
        if last is None or attempt.ended_at > last[0]:
            last = attempt.ended_at, trigger
    if last is None:
        return None
    at, trigger = last
    name = f"the last run of this source that ended, {trigger.last.run_id}"
    return Reference(name=name, since=at, fingerprint=trigger.fingerprint)


def require_manifest(reference: Reference | None) -> str:
    """Returns where the dataset of the reference is, to compare what is served with.

    Raises:
      DataError: if it is not under data_root.
    """
    if reference is None or not reference.manifest_uri:
        what = reference.name if reference else "nothing is in production"
        raise DataError(
            f"--served compares with the dataset of production, which is not under data_root ({what}); "
            "leave --served out, or give the data_root that production was trained in"
        )
    return reference.manifest_uri
