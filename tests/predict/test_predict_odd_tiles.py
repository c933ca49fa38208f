"""One tile and what may be wrong with it: a line that names the file and the fault, exit code 42, and no waiting."""

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from command_here import agrivision_here

from components.contracts import ModelCard
from components.registry import CARD, POINTER
from components.saved_model import asking

pytestmark = pytest.mark.usefixtures("models_here")

# Each message is that of the shard step for such a file.
BAD_IMAGES = {
    "gone.jpg": "no such file",
    "to_nothing.jpg": "no such file",
    "to_itself.jpg": "Too many levels of symbolic links",
    "pipe.jpg": "is a pipe or a device; expected a file",
    "empty.jpg": "empty file (0 bytes)",
    "text.png": "not a readable JPEG, PNG, TIFF or WebP file",
    "bomb.png": "20000x20000 px, at most 8192 px a side are read",
    "huge.jpg": "70 MiB, at most 64 MiB are read",
    "gif.gif": "a GIF file, which is not read; expected JPEG, PNG, TIFF or WebP",
    "a\x1b[2J\n[bold]\u202e.jpg": "not a readable JPEG, PNG, TIFF or WebP file",
    "caf\udce9.jpg": "not a readable JPEG, PNG, TIFF or WebP file",
}


WANTED = {"boundary": "PNG or TIFF"}


def only_line(result: subprocess.CompletedProcess[str]) -> str:
    (line,) = result.stderr.splitlines()
    assert line.startswith("agrivision: ")
    assert "\x1b" not in line
    assert result.stdout == ""
    return line


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends a test in which a model is asked."""
    monkeypatch.setattr(asking, "verified_copy", lambda *_: pytest.fail("a model was loaded"))


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.parametrize("role", ["rgb", "nir", "boundary"])
def test_a_file_that_is_no_sound_image_is_named_and_no_model_is_asked(pushed, odd: Path, name: str, role: str) -> None:
    images = {"rgb": odd / "rgb.jpg", "nir": odd / "nir.jpg", role: odd / name}
    options = [part for each, path in images.items() for part in (f"--{each}", path)]

    result = agrivision_here("predict", pushed.rgb_nir, *options)

    line = only_line(result)
    assert result.returncode == 42
    assert role in line
    assert BAD_IMAGES[name].replace("JPEG, PNG, TIFF or WebP", WANTED.get(role, "JPEG, PNG, TIFF or WebP")) in line


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rgb": "truncated.jpg"}, "damaged or truncated"),
        ({"rgb": "other_nir.jpg"}, "expected RGB, got 1 band"),
        ({"nir": "other_rgb.jpg"}, "expected 1 band, got RGB"),
        ({"rgb": "alpha.png"}, "expected RGB, got RGB with alpha"),
        ({"nir": "small_nir.jpg"}, "48x24 px, but the rgb has 48x48 px"),
        ({"nir": "flat_nir.jpg"}, "empty band, every pixel is 7"),
        ({"mask": "small.png"}, "48x24 px, but the rgb has 48x48 px"),
        ({"mask": "grey.png"}, "expected the values 0 and 255, or 0 and 1, got "),
        ({"mask": "mask.jpg"}, "not a readable PNG or TIFF file"),
        ({"mask": "alpha.png"}, "expected a mask of 1 band of at most 8 bits, or of a palette, got RGB with alpha"),
        ({"mask": "black.png"}, "no valid pixel: boundary and mask leave nothing"),
        ({"boundary": "boundary.png", "mask": "rest.png"}, "no valid pixel: boundary and mask leave nothing"),
    ],
)
def test_an_image_of_another_kind_or_size_is_refused_as_the_shard_step_refuses_it(
    pushed, odd: Path, options: dict[str, str], message: str
) -> None:
    images = {"rgb": "rgb.jpg", "nir": "nir.jpg"} | options
    arguments = [part for role, name in images.items() for part in (f"--{role}", odd / name)]

    result = agrivision_here("predict", pushed.rgb_nir, *arguments)

    assert message in only_line(result)
    assert result.returncode == 42


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no tile to ask about; give a folder of tiles"),
        (
            ["--rgb", "rgb.jpg"],
            "needs a NIR image in addition to RGB; its bands are red, green, blue, nir; give --nir, or TIFFs of four",
        ),
        (["--nir", "nir.jpg"], "--nir is given without --rgb"),
        (["--rgb", "rgb.jpg", "--nir", "nir.jpg", "--nir", "small_nir.jpg"], "--rgb is given 1 times and --nir 2"),
        (["--rgb", "rgb.jpg", "--nir", "rgb.jpg"], "rgb.jpg' is given twice"),
        (["--rgb", "folder.jpg", "--nir", "nir.jpg"], "give either files or folders"),
        (["--rgb", "", "--nir", ""], "an empty path was given"),
        (
            ["--rgb", "rgb.jpg", "--nir", "nir.jpg", "--csv", "rgb.jpg"],
            "--csv must end in .csv, or be -, got 'rgb.jpg'",
        ),
        (["--rgb", "rgb.jpg", "--nir", "nir.jpg", "--csv", "gs://b/a.csv"], "--csv must be a file of this machine"),
        (["--rgb", "rgb.jpg", "--nir", "nir.jpg", "--csv", "none/a.csv"], "no folder "),
        (["--rgb", "rgb.jpg", "--nir", "nir.jpg", "--csv", "-", "--json"], "both write to standard output"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    pushed, odd: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(odd)

    result = agrivision_here("predict", pushed.rgb_nir, *arguments)

    assert message in only_line(result)
    assert result.returncode == 2


def test_a_nir_image_for_a_model_of_rgb_is_refused(pushed, odd: Path) -> None:
    result = agrivision_here("predict", pushed.rgb_only, "--rgb", odd / "rgb.jpg", "--nir", odd / "nir.jpg")

    assert "takes RGB only, without a NIR image" in only_line(result)
    assert result.returncode == 2


def version_without_card(version: Path) -> Path:
    (version / CARD).unlink()
    return version


def card_of_zero_thresholds(version: Path) -> Path:
    msgspec.structs.replace(ModelCard.read(version / CARD), thresholds=()).write(version / CARD)
    return version


def card_of_a_later_format(version: Path) -> Path:
    msgspec.structs.replace(ModelCard.read(version / CARD), format_version=99).write(version / CARD)
    return version


def card_that_is_empty(version: Path) -> Path:
    (version / CARD).write_text("{}")
    return version


def pointer_that_is_a_folder(version: Path) -> Path:
    (version / CARD).unlink()
    (version / POINTER).mkdir()
    return version


def pointer_below_a_file(version: Path) -> Path:
    return version / "saved_model.pb"


def empty_path(version: Path) -> str:
    return ""


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (version_without_card, 2, "it has neither production.json nor card.json"),
        (card_of_zero_thresholds, 42, "must have a threshold for each of 3 classes, got 0; push the model again"),
        (
            card_of_a_later_format,
            42,
            "is a model card of format 99, and this version of the project reads",
        ),
        (card_that_is_empty, 42, "is not a model card that this version can read"),
        (pointer_that_is_a_folder, 42, "production.json': Is a directory; expected a file"),
        (pointer_below_a_file, 2, "saved_model.pb' is not a folder; expected the models_uri"),
        (empty_path, 2, "the models URI is empty"),
        (lambda version: "gs://", 2, "no bucket in 'gs://'"),
        (lambda version: "ftp://a/b", 2, "cannot read or write 'ftp://a/b"),
    ],
)
def test_what_is_no_model_is_refused(pushed, odd: Path, tmp_path: Path, change, code: int, message: str) -> None:
    model = change(Path(shutil.copytree(pushed.version_dir, tmp_path / "version")))

    result = agrivision_here("predict", model, "--rgb", odd / "rgb.jpg", "--nir", odd / "nir.jpg")

    assert message in only_line(result)
    assert result.returncode == code


@pytest.mark.parametrize("place", ["", POINTER, "versions", "versions/{version}", "versions/{version}/card.json"])
def test_a_model_is_found_by_its_folder_or_a_file_of_it(pushed, odd: Path, place: str) -> None:
    model = pushed.rgb_nir / place.format(version=pushed.version)

    result = agrivision_here("predict", model, "--rgb", odd / "rgb.jpg", "--nir", odd / "nir.jpg")

    assert result.returncode == 0, result.stderr
    first, *rows = [line.split() for line in result.stdout.splitlines()]
    assert first == ["class", "probability", "threshold", "no", "below", "answer"]
    assert [(row[0], row[4]) for row in rows] == [("water", "yes"), ("weed_cluster", "yes"), ("drydown", "no")]
    assert [float(row[1]) >= float(row[2]) for row in rows] == [True, True, False]
    assert float(rows[2][1]) < float(rows[2][3])


def test_pixels_outside_the_field_do_not_count(pushed, odd: Path) -> None:
    options = ["--rgb", odd / "rgb.jpg", "--nir", odd / "nir.jpg"]
    inside = agrivision_here("predict", pushed.rgb_nir, *options, "--boundary", odd / "rest.png", "--json")
    outside = agrivision_here("predict", pushed.rgb_nir, *options, "--boundary", odd / "boundary.png", "--json")

    found = [[each["answer"] for each in msgspec.json.decode(result.stdout)["classes"]] for result in (inside, outside)]
    assert sorted(found) == [["no", "no", "no"], ["yes", "yes", "no"]]
