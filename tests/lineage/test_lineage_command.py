"""`agrivision lineage` as a user meets it."""

import json
import shutil
import time

import msgspec
import pytest
from command_here import agrivision_here
from descended import TRAINING, VERSION, descended
from model_cards import card_of

from components import storage
from components.contracts import Lineage
from components.lineage.link_tree import link_tree
from components.lineage.named_version import ancestors_of
from components.registry import card_uri
from components.registry.promotion import promote


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return descended(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def copy(whole, tmp_path):
    """A copy that a test may change; returns data_root and the models' place."""
    for place in (whole.root, whole.models):
        shutil.copytree(place, tmp_path / place.name)
    return tmp_path / "data", tmp_path / "models"


def lineage(models, *arguments):
    return agrivision_here("lineage", "--models-uri", models, *arguments)


def links_of(link):
    yield link
    for below in link["links"]:
        yield from links_of(below)


def test_a_tree_leads_from_the_version_to_the_source(whole):
    result = lineage(whole.models, "--data-root", whole.root)

    assert result.returncode == 0, result.stderr
    lines = [line.lstrip("│├└─ ") for line in result.stdout.splitlines()]
    chain = ["model", "training", "dataset", "listing", "source"]
    assert [line.split()[0] for line in lines if line.split()[0] in chain] == chain
    assert lines[0].startswith(f"model {VERSION}  {whole.models}/versions/{VERSION}")
    assert f"training {TRAINING}  {whole.root}/training/{TRAINING}/receipt.json" in lines
    assert any(line.endswith(str(whole.root.parent / "source")) for line in lines)


def test_json_names_each_link_by_the_hash_that_the_one_above_has(whole):
    tree = json.loads(lineage(whole.models, VERSION, "--data-root", whole.root, "--json").stdout)["lineage"]
    by_kind = {link["kind"]: link for link in links_of(tree)}

    of = whole.card.lineage
    assert by_kind["training"]["sha256"] == of.receipt_sha256
    assert by_kind["evaluation"]["sha256"] == of.evaluation_sha256
    assert by_kind["dataset"]["sha256"] == whole.card.manifest_sha256
    assert by_kind["training"]["facts"]["commit"] == "a" * 40
    assert by_kind["training"]["facts"]["config.seed"] == 7
    assert by_kind["weights"]["place"].startswith(f"{whole.root}/weights/")
    assert by_kind["source"]["sha256"] == "f" * 64
    assert by_kind["run"]["name"] == "run-1"
    assert by_kind["run"]["note"] == "its record is not there"


def test_the_record_of_the_run_is_shown_whoever_wrote_it(copy):
    root, models = copy
    record = {"run_id": "run-1", "state": "succeeded", "commit": "b" * 40, "cost": {"total": 1.25, "currency": "USD"}}
    record |= {"steps": {"train": {"image": "example/python@sha256:1"}}, "links": {"page": "https://kfp/1"}, "odd": [1]}
    storage.write_bytes(f"{root}/runs/run-1.json", json.dumps(record).encode())

    tree = json.loads(lineage(models, "--data-root", root, "--json").stdout)["lineage"]

    by_kind = {link["kind"]: link for link in links_of(tree)}
    assert by_kind["run"]["facts"]["commit"] == "b" * 40
    assert by_kind["run"]["facts"]["image of train"] == "example/python@sha256:1"
    assert by_kind["run"]["facts"]["links.page"] == "https://kfp/1"
    assert by_kind["cost"]["facts"] == {"total": 1.25, "currency": "USD"}


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b'{"steps": 1, "links": [], "cost": "x"}', b"[" * 9999])
def test_a_record_of_any_other_form_is_passed_over(copy, content):
    root, models = copy
    storage.write_bytes(f"{root}/runs/run-1.json", content)

    assert link_tree(ancestors_of(str(models), VERSION, str(root))).name == VERSION


def test_without_data_root_the_card_alone_is_shown_and_says_what_is_missing(whole):
    result = lineage(whole.models)

    assert result.returncode == 0
    assert result.stdout.count("(give --data-root to see it)") == 4
    assert TRAINING in result.stdout


def test_a_version_of_an_earlier_version_of_the_project_says_what_is_unknown(tmp_path):
    uri = str(tmp_path / "models")
    card = msgspec.structs.replace(card_of("old"), lineage=Lineage(pushed_at="2026-01-31T12:00:00Z"))
    storage.write_bytes(card_uri(uri, "old"), card.to_json())
    promote(uri, "old", "production")
    (tmp_path / "data").mkdir()

    result = lineage(uri, "old", "--data-root", tmp_path / "data")

    assert result.returncode == 0, result.stderr
    assert "unknown: it comes from an earlier version, which kept no hash of it" in result.stdout


def test_what_was_verified_is_counted(whole):
    result = lineage(whole.models, "--data-root", whole.root, "--verify")

    assert result.returncode == 0, result.stderr
    last = result.stdout.splitlines()[-1]
    assert last.endswith(f"files are as version {VERSION} was made from them")
    count = int(last.split()[0])
    assert count > 25
    assert f"lineage | {count}/{count} files" in result.stderr


def test_changes_are_named_counted_and_end_with_42(copy):
    root, models = copy
    shard, receipt = min((root / "shards").glob("*.tfrecord")), min((root / "receipts").iterdir())
    shard.unlink()
    receipt.write_bytes(receipt.read_bytes()[:-2])

    result = lineage(models, "--data-root", root, "--verify")

    assert result.returncode == 42
    assert result.stderr.splitlines()[-1].startswith(
        f"agrivision: 2 of the files that version {VERSION} comes from are not as they were: '"
    )
    assert f"missing: '{shard}'" in result.stdout
    assert f"changed: '{receipt}': " in result.stdout
    found = lineage(models, "--data-root", root, "--verify", "--json")
    assert found.returncode == 42
    assert {problem["what"] for problem in json.loads(found.stdout)["problems"]} == {"missing", "changed"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "--models-uri is empty"),
        (["--models-uri", "none"], 2, "neither a version nor a channel 'production' in 'none'"),
        (["../x", "--models-uri", "none"], 2, "neither a version nor a channel '../x'"),
        (["x\x1b[2J", "--models-uri", "none"], 2, "neither a version nor a channel 'x\\x1b[2J'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    result = agrivision_here("lineage", *arguments)

    assert result.returncode == code
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_card_that_is_gone_or_damaged_is_one_line(copy):
    root, models = copy
    card = models / f"versions/{VERSION}/card.json"
    content = card.read_bytes()
    card.write_bytes(content.replace(b'"num_test_tiles": 1', b'"num_test_tiles": 2'))
    damaged = lineage(models, "--data-root", root, "--verify")
    card.unlink()
    gone = lineage(models, VERSION, "--data-root", root, "--verify")

    assert (damaged.returncode, gone.returncode) == (42, 42)
    assert f"{card} is not the model card that was written" in damaged.stderr
    assert f"'{card}' is missing" in gone.stderr


def test_names_in_documents_cannot_steer_the_terminal(copy):
    root, models = copy
    record = {"run_id": "run-1", "state": "\x1b[2Jdone\nx", "commit": "[bold]b[/bold]"}
    storage.write_bytes(f"{root}/runs/run-1.json", json.dumps(record).encode())

    shown = lineage(models, "--data-root", root).stdout

    assert "\x1b" not in shown
    assert "state: \\x1b[2Jdone\\nx" in shown
    assert "[bold]b[/bold]" in shown


def test_it_takes_less_than_two_seconds_of_a_processor(whole):
    ancestors_of(str(whole.models), VERSION, str(whole.root))
    before = time.process_time()
    link_tree(ancestors_of(str(whole.models), VERSION, str(whole.root)))

    assert time.process_time() - before < 2


def test_a_data_root_that_is_not_there_is_no_model_whose_ancestors_are_gone(whole):
    result = lineage(whole.models, "--data-root", "mistyped", "--verify")

    assert result.returncode == 2
    assert "no folder 'mistyped'; expected the data_root of a pipeline that has run" in result.stderr
