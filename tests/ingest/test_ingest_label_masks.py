"""The masks of classes are stored where there are any."""

import pytest

from components.contracts import SourceFile
from components.errors import SettingsError
from components.ingest.settings import IngestSettings
from components.ingest.survey import survey_source
from components.progress import StepLog


def test_class_folders_have_no_masks_to_store():
    files = [SourceFile(f"{name}/{number}.jpg", 1_000, "1") for name in ("water", "crop") for number in range(5)]
    settings = IngestSettings(num_workers=1, label_masks=True)
    found = survey_source(files, "/s", settings, StepLog("ingest"))
    refused = pytest.raises(
        SettingsError, match=r"shard_label_masks stores which pixels .* has the layout class-folders"
    )
    with refused, found:
        pass
