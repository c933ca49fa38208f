"""What a source holds beside its tiles stands in the manifest and the report, and makes no other dataset."""

from pathlib import Path

from msgspec.structs import replace
from sharded import shard_and_merge
from small_source import plan, write_source

from components.contracts import IgnoredFiles, Inventory, Manifest, MissingMasks, WhyIgnored

IGNORED = (
    IgnoredFiles(
        reason=WhyIgnored.NO_TILE, class_name="drydown", split="train", num_files=3, examples=("a_mask.png", "<b>.png")
    ),
    IgnoredFiles(reason=WhyIgnored.LITTER, class_name="", split="", num_files=1, examples=("Thumbs.db",)),
)
MISSING = (MissingMasks(class_name="drydown", split="train", num_tiles=3, num_expected=12),)


def test_the_manifest_holds_what_is_ignored_and_is_still_the_same_dataset(tmp_path: Path) -> None:
    path = plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source"))
    before = shard_and_merge(path, tmp_path, tmp_path)
    replace(Inventory.read(path), ignored=IGNORED, missing_masks=MISSING).write(path)
    after = shard_and_merge(path, tmp_path, tmp_path)

    assert after.sha256 == before.sha256
    assert b"ignored" not in before.to_json()  # so that datasets from before keep their names
    (folder,) = (tmp_path / "datasets").iterdir()
    published = Manifest.read(folder / "manifest.json")
    assert (published.ignored, published.missing_masks) == (IGNORED, MISSING)
    assert published.sha256[:16] == folder.name


def test_the_report_shows_what_is_ignored_by_reason_class_and_split(tmp_path: Path) -> None:
    path = plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source"))
    replace(Inventory.read(path), ignored=IGNORED, missing_masks=MISSING).write(path)
    shard_and_merge(path, tmp_path, tmp_path)
    page = (tmp_path / "report.html").read_text().replace("<wbr>", "")
    assert "a label or a mask that matches no tile</td>" in page
    assert "&lt;b&gt;.png, a_mask.png" in page
    assert "litter of an operating system" in page
    assert '<td>drydown</td><td class="text">train</td><td>3</td>' in page
    assert '<td>drydown</td><td class="text">train</td><td>3</td><td>12</td>' in page
