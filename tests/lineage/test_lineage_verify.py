"""Whatever is changed of what a model comes from is named, by its path and by nothing else."""

import hashlib
import json
import os
import random
import re
import shutil

import msgspec
import pytest
from descended import VERSION, descended

from components.contracts import DatasetOrigin
from components.dataset.kept_documents import keep_document
from components.lineage.named_version import ancestors_of
from components.lineage.verify import verify_ancestors

NUM_CHANGES = 100
WITH_CHECKSUM = "field_and_checksum"
# Files that may change at any time, so that no document can name their content: their own checksum is all there is.
MOVING = ("models/production.json", f"models/gate/{'7' * 64}.json")
# What is no ancestor: the source's pixels, what Kubeflow's cache is led by, and what the test wrote beside.
BESIDE = ("source/", "data/requests/", "receipts.json", "manifest.json", "report.html", "origin.json", "inventory.json")
# Fields of documents with a parent that an attacker would like to change, and another value of the same kind.
FIELDS = {
    rf"models/versions/{VERSION}/card.json": ("macro_f1", "data_licence", "backbone", "origin_sha256"),
    r"data/training/[0-9a-f]+/receipt.json": ("seconds", "backbone", "manifest_sha256"),
    r"data/datasets/[0-9a-f]+/(manifest|origin).json": ("seed", "inventory_sha256", "manifest_file_sha256"),
    r"data/documents/[0-9a-f]+.json": ("seed", "fingerprint", "macro_f1", "manifest_sha256", "num_tiles"),
    r"data/receipts/[0-9a-f]+.json": ("valid_pixels", "num_tiles", "sha256"),
    rf"data/pushed/{VERSION}.json": ("card_sha256", "training_id", "manifest_sha256"),
    rf"models/states/{VERSION}.json": ("card_sha256",),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return descended(tmp_path_factory.mktemp("whole")).root.parent


def problems_of(folder):
    """What is wrong, by path below `folder`."""
    try:
        found = ancestors_of(str(folder / "models"), VERSION, str(folder / "data"))
    except Exception as error:  # of the card, without which nothing else is known
        return {path: str(error) for path in re.findall(rf"{folder}/([^' ;]*)", str(error))[:1]}
    problems = verify_ancestors(found, lambda count: None)
    return {problem.uri.removeprefix(f"{folder}/"): problem.what for problem in problems}


def files_of(folder):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in names if not name.startswith(BESIDE) and "/." not in name]


def flip(draw, path, folder):
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def truncate(draw, path, folder):
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))])


def delete(draw, path, folder):
    path.unlink()


def swap(draw, path, folder):
    other = draw.choice([each for each in path.parent.iterdir() if each.is_file() and each != path] or [None])
    if other is None or other.read_bytes() == path.read_bytes():
        return flip(draw, path, folder)
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)
    return other


def sneak_in(draw, path, folder):
    closed = [each for each in files_of(folder) if re.search(r"versions/|/export/|/evaluations/|/datasets/", each)]
    (folder / draw.choice(closed)).parent.joinpath(f"new-{draw.randrange(100)}").write_bytes(b"new")


def change_field(text, name):
    """Returns a document with another value of the first field of this name; None if it has none."""
    match = re.search(rf'"{name}": ("([^"]*)"|[0-9.]+)', text)
    if not match:
        return None
    old = match[1]
    if re.fullmatch(r'"[0-9a-f]{16,}"', old):
        new = f'"{"".join("1" if letter == "0" else "0" for letter in old[1:-1])}"'
    else:
        new = f'{old[:-1]}x"' if old.startswith('"') else f"{old}1" if "." in old else str(int(old) + 1)
    return text[: match.start(1)] + new + text[match.end(1) :]


def with_checksum(text):
    """Returns a document with the checksum that its content now has."""
    content = text[: text.rindex(',\n "checksum"')]
    return f'{content},\n "checksum": "{hashlib.sha256(content.encode()).hexdigest()}"\n}}\n'


def documents_with_fields(folder):
    for name in files_of(folder):
        for pattern, fields in FIELDS.items():
            if re.fullmatch(pattern, name):
                text = (folder / name).read_text()
                yield from ((name, field) for field in fields if change_field(text, field))


def plant(draw, folder):
    """Makes one change; returns what it was and the paths that must be named."""
    kind = draw.choice(("flip", "truncate", "delete", "swap", "sneak_in", "field", WITH_CHECKSUM))
    if kind.startswith("field"):
        name, field = draw.choice(list(documents_with_fields(folder)))
        text = change_field((folder / name).read_text(), field)
        (folder / name).write_text(text if kind == "field" else with_checksum(text))
        return f"{kind} {field}", {name}
    if kind == "sneak_in":
        before = set(files_of(folder))
        sneak_in(draw, None, folder)
        return kind, set(files_of(folder)) - before
    name = draw.choice(files_of(folder))
    if kind == "delete" and name in MOVING:
        kind = "flip"
    if kind == "swap" and name.startswith("models/"):
        kind = "truncate"
    other = globals()[kind](draw, folder / name, folder)
    return kind, {name} | ({str(other.relative_to(folder))} if other else set())


def test_nothing_is_named_where_nothing_was_changed(whole):
    assert problems_of(whole) == {}
    assert len(files_of(whole)) > 30


def test_of_a_hundred_planted_changes_each_is_named_and_nothing_else(whole, tmp_path):
    missed = []
    for seed in range(NUM_CHANGES):
        folder = tmp_path / str(seed)
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("source"))
        kind, expected = plant(random.Random(seed), folder)
        named = problems_of(folder)
        # What a card names that was changed itself may not exist.
        beyond = (
            {path for path, what in named.items() if what == "missing"} if kind.startswith(WITH_CHECKSUM) else set()
        )
        if set(named) - beyond != expected - beyond or not expected <= set(named):
            missed.append((seed, kind, sorted(expected), sorted(named)))
        shutil.rmtree(folder)

    assert missed == []


def test_a_run_that_writes_the_report_again_changes_no_ancestor(whole, tmp_path):
    """The dataset's files are compared with the latest origin, and the model's with the one that its card names."""
    folder = tmp_path / "again"
    shutil.copytree(whole, folder)
    (place,) = (folder / "data/datasets").iterdir()
    (place / "report.html").write_bytes(b"<p>compared with another dataset</p>")
    origin = DatasetOrigin.read(place / "origin.json")
    sha256 = hashlib.sha256((place / "report.html").read_bytes()).hexdigest()
    again = msgspec.structs.replace(origin, report_sha256=sha256)
    keep_document(str(folder / "data"), again)
    again.write(place / "origin.json")

    assert problems_of(folder) == {}


@pytest.mark.parametrize("place", ["data/training/*/export", "data/evaluations/*", "data/datasets/*"])
def test_a_link_that_leads_out_of_a_folder_is_unexpected(whole, tmp_path, place):
    folder = tmp_path / "linked"
    shutil.copytree(whole, folder)
    (closed,) = folder.glob(place)
    (closed / "link").symlink_to("/etc")

    assert problems_of(folder) == {str(closed.relative_to(folder)): "unexpected"}


def test_a_file_that_is_a_pipe_or_a_folder_is_named(whole, tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(whole, folder)
    pipe, place = min((folder / "data/shards").glob("*.tfrecord")), min((folder / "data/receipts").iterdir())
    for path in (pipe, place):
        path.unlink()
    os.mkfifo(pipe)
    place.mkdir()

    named = problems_of(folder)

    assert set(named) == {str(path.relative_to(folder)) for path in (pipe, place)}


def test_a_document_of_the_tests_is_as_the_project_writes_it(whole):
    text = (whole / f"models/versions/{VERSION}/card.json").read_text()

    assert with_checksum(text) == text
    assert json.loads(change_field(text, "macro_f1")) != json.loads(text)


def change_to_folder(path):
    path.unlink()
    path.mkdir()


def change_to_pipe(path):
    path.unlink()
    os.mkfifo(path)


def change_to_loop(path):
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("change", [change_to_folder, change_to_pipe, change_to_loop])
@pytest.mark.parametrize("place", ["data/pushed/*.json", "data/training/*/receipt.json", "models/states/*.json"])
def test_a_document_that_no_file_is_in_place_of_hides_no_other_change(whole, tmp_path, place, change):
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    (document,) = folder.glob(place)
    shard = min((folder / "data/shards").glob("*.tfrecord"))
    change(document)
    shard.unlink()

    found = problems_of(folder)

    assert found[str(document.relative_to(folder))] == "changed"
    assert found[str(shard.relative_to(folder))] == "missing"
