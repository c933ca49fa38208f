"""Images that attack their decoder come to nothing on every path that decodes, within bounded memory and time."""

from pathlib import Path

import pytest
from bounded import WITH_TENSORFLOW_MB, run_bounded
from hostile_images import IMAGES, PATHS, write_images
from hostile_tiffs import FOR_SOURCES

pytestmark = pytest.mark.hostile

MOST_SECONDS = 2.0
MOST_MB = (
    400  # above what the process has; the largest picture allowed takes 75 MB as decoded RGB, and TensorFlow resizes
)


def require_harmless(
    outcomes: dict[str, tuple[str, float, float]], reads_sound_files: bool, reads_sources: bool | None = False
) -> None:
    assert outcomes.keys() == IMAGES.keys()
    for name, (outcome, seconds, megabytes) in outcomes.items():
        print(f"{name}: {outcome[:100]} ({seconds:.2f} s, {megabytes:.0f} MB)")
    for name, (outcome, seconds, megabytes) in outcomes.items():
        assert seconds <= MOST_SECONDS, name
        assert megabytes <= MOST_MB, name
        assert len(outcome.splitlines()) == 1, name
        if reads_sound_files and IMAGES[name][1] != FOR_SOURCES:
            assert (outcome == "read") is IMAGES[name][1], (name, outcome)
        if reads_sources is not None and IMAGES[name][1] == FOR_SOURCES:
            assert (outcome == "read") is reads_sources, (name, outcome)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    return folder


@pytest.mark.parametrize("path", PATHS)
def test_a_hostile_image_is_refused_in_one_line_and_costs_little(path: str, images: Path) -> None:
    outcomes = run_bounded("hostile_images.attack", path, str(images))
    # A mask must have its tile's size, and of several black pictures none is a mask of 0 and 255 with a valid pixel.
    may_read = {"rgb of a source": True, "report": None, "predict": None}
    reads_sound_files = path in ("rgb of a source", "rgb of a record", "predict")
    require_harmless(outcomes, reads_sound_files, may_read.get(path, False))


def test_a_model_server_refuses_a_hostile_image_before_it_decodes_it(images: Path) -> None:
    outcomes = run_bounded("hostile_images.attack", "graph", str(images), megabytes=WITH_TENSORFLOW_MB)
    require_harmless(outcomes, reads_sound_files=False)
    for name, (outcome, _, _) in outcomes.items():
        if IMAGES[name][1] is True:
            assert outcome == "read", "what the shard step accepts is answered, too"
    assert "an image exceeds a limit: 8192 px a side" in outcomes["20,000 px a side"][0]
    assert "[20000][20000]" in outcomes["20,000 px a side"][0].replace(" ", "")
