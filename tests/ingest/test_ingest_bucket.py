"""A source in a bucket becomes what the same source in a folder does."""

import concurrent.futures
import contextlib
import os
import uuid

import pytest
from ingested import build, names, split_counts, tiles_of
from made_bucket import make_bucket
from tile_listing import release_files, write_files

from components import storage
from components.agrivision import CHALLENGE_2020
from components.storage import whole_folder


@pytest.mark.long
@pytest.mark.gcs
@pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server (STORAGE_EMULATOR_HOST)")
def test_a_bucket_gives_the_same_tiles_and_splits_as_a_folder(tmp_path):
    from google.api_core.exceptions import Conflict

    with contextlib.suppress(Conflict):
        make_bucket("agri-ingest-test")
    remote = f"gs://agri-ingest-test/{uuid.uuid4().hex}"
    paths = [
        *release_files(CHALLENGE_2020, "train", names("TRAIN", 12)),
        *release_files(CHALLENGE_2020, "val", names("VAL", 4)),
    ]
    local = write_files(tmp_path / "tiles", paths)
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            uris = [f"{remote}/tiles/{path}" for path in paths]
            list(pool.map(storage.write_bytes, uris, [path.encode() for path in paths]))
        there = build(f"{remote}/tiles", f"{remote}/data")
        here = build(local, tmp_path / "data")
        assert split_counts(there) == split_counts(here)
        placed = [
            sorted((tile.tile_id, tile.split, tile.shard, tile.rgb.num_bytes) for tile in tiles_of(inventory, root))
            for inventory, root in ((there, f"{remote}/data"), (here, tmp_path / "data"))
        ]
        assert placed[0] == placed[1]
        assert build(f"{remote}/tiles", f"{remote}/data").to_json() == there.to_json()
    finally:
        whole_folder.remove(remote, "")
