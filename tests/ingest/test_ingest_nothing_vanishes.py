"""Every file of a source is used, rejected or ignored, each once; and the labels are those that the names say."""

import os
from pathlib import Path

import msgspec
import pytest
from random_sources import labels_of, random_source
from tile_listing import write_files

from components import storage
from components.contracts import WhyIgnored
from components.errors import AgrivisionError
from components.ingest.settings import IngestSettings
from components.ingest.survey import survey_source
from components.progress import StepLog

# Without limits, so that what is wrong with a source is counted and not refused, wherever that is possible.
SETTINGS = {"num_workers": 1, "max_bad_fraction": 1.0, "max_ignored_fraction": 1.0, "val_percent": 1, "test_percent": 1}


def check(source, listing, source_uri: str) -> bool:
    """Checks the account of one source; returns whether it was not refused."""
    settings = IngestSettings(**SETTINGS, layout=source.layout)
    try:
        with survey_source(listing, source_uri, settings, StepLog("ingest"), cache_kb=64) as survey:
            rows = survey.table.database.execute("SELECT line FROM lines")
            tiles = [msgspec.json.decode(survey.table.unpacked(line)) for (line,) in rows]
    except AgrivisionError:
        return False
    num_ignored = sum(row.num_files for row in survey.ignored if row.reason.is_file)
    assert survey.num_used + survey.num_rejected + num_ignored == len(source.entries)
    counts: dict[str, int] = {}
    for tile in tiles:
        for name in (*tile.get("labels", ()), *tile.get("classes", ())):
            counts[name] = counts.get(name, 0) + 1
    assert counts == labels_of(source)
    used = {tile[role][0] for tile in tiles for role in ("rgb", "nir", "boundary", "mask") if tile.get(role)}
    used |= {label[0] for tile in tiles for label in tile.get("labels", {}).values()}
    assert len(used) == survey.num_used
    assert not used & {path for row in survey.ignored for path in row.examples}
    return True


@pytest.mark.parametrize(
    "seeds", [pytest.param(range(200), id="200"), pytest.param(range(200, 2000), id="2000", marks=pytest.mark.long)]
)
def test_used_and_rejected_and_ignored_files_are_all_files(seeds):
    taken = 0
    for seed in seeds:
        source = random_source(seed)
        try:
            taken += check(source, source.listing, "/source")
        except AssertionError as error:
            raise AssertionError(f"source {seed}, {source.layout}") from error
    assert taken > 0.6 * len(seeds)  # the others are refused, in one line


def test_the_account_of_a_folder_is_that_of_its_names(tmp_path: Path):
    made = {WhyIgnored.HIDDEN: ".kept", WhyIgnored.LITTER: "._kept"}
    taken = 0
    for seed in range(20):
        source = random_source(seed)
        root = tmp_path / str(seed)
        write_files(root, source.files)
        for path, reason in list(source.entries.items()):
            if reason is None:
                continue
            place = root / path
            if reason in made:
                place = place.with_name(f"{made[reason]}{place.name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            if reason is WhyIgnored.LINK_TO_NOTHING:
                place.symlink_to("nowhere/at/all")
            elif reason is WhyIgnored.SPECIAL:
                os.mkfifo(place)
            else:
                place.write_bytes(b"")
        taken += check(source, storage.list_source(str(root)), str(root))
    assert taken > 10
