import pytest

from components.run_records.run_name import TRAINING_PIPELINE, RunName, commit_of, parse_run_name
from pipeline.kubeflow.package import PIPELINE_NAME

VERSION = "0123456789ab-01234567"
KEY = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "agrivision-training 0123456789ab-01234567 2026-11-24 12:00:00",
            ("0123456789ab-01234567", "0123456789ab", ""),
        ),
        ("agrivision-training v7 2026-11-24 12:00:00", ("v7", "", "")),  # --version=v7
        (f"agrivision-training v7 retrain-{KEY}-2", ("v7", "", KEY)),
        (f"agrivision-training retrain-{KEY}-1", ("", "", KEY)),
        (f"agrivision-training v7 retrain-{KEY[:-1]}-2", ("v7", "", "")),
        (f"agrivision-training v7 retrain-{KEY}-2x", ("v7", "", "")),
        ("my run of Monday", ("", "", "")),  # as somebody typed it on the page
        ("agrivision-training", ("", "", "")),
        ("", ("", "", "")),
    ],
)
def test_a_name_tells_what_it_has(name, parts):
    assert parse_run_name(name) == RunName(*parts)


def test_the_pipeline_is_called_the_same_everywhere():
    assert TRAINING_PIPELINE == PIPELINE_NAME


@pytest.mark.parametrize("version", ["", "sha-0123456789ab", "0123456789AB-01234567", "0123456789ab-01234567\n"])
def test_another_version_has_no_commit(version):
    assert commit_of(version) == ""
