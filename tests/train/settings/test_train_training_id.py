import ast
import re
import shutil
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from components.agrivision import CLASS_FOLDERS
from components.contracts import Manifest
from components.train.settings.code_digest import code_digest, counted_files, is_counted
from components.train.settings.config import TrainConfig
from components.train.settings.training_id import training_id

COMPONENTS = Path(__file__).parents[3] / "components"

# For a file of each room, whether a training gets another name when its code changes.
CHANGES_THE_NAME = {
    "agrivision.py": True,
    "ordered_map.py": True,
    "environment.py": False,
    "printable.py": False,
    "report.py": False,
    "report_style.py": False,
    "contracts/dataset.py": False,
    "contracts/runs/run_record.py": False,
    "contracts/study/figures.py": False,
    "cost/prices.py": False,
    "measuring/rounds.py": False,
    "run_records/record_file.py": False,
    "study/arms/arm.py": False,
    "study/claims/claim.py": False,
    "study/protocol/plan.py": False,
    "study/component.py": False,
    "study/running/run_study.py": False,
    "study/experiments/experiment.py": False,
    "study/experiments/backbones/all_experiments.py": False,
    "study/experiments/batch_size/all_experiments.py": False,
    "study/experiments/cost/all_experiments.py": False,
    "study/experiments/formats/all_experiments.py": False,
    "study/experiments/hybrid/all_experiments.py": False,
    "study/experiments/learning/tiles.py": False,
    "study/experiments/memory/all_experiments.py": False,
    "study/experiments/parallel_sgd/all_experiments.py": False,
    "study/experiments/scale/all_experiments.py": False,
    "study/results/study_result.py": False,
    "study/verdicts/judging.py": False,
    "sweep/halving.py": False,  # says which trainings there are, and changes none
    "scaling/ring.py": False,
    "dataset/field_table.py": False,
    "dataset/audit/verify.py": False,
    "dataset/drift/compare.py": False,
    "evaluate/scores.py": False,
    "evaluate/reading/columns.py": False,
    "evaluate/report/page.py": False,
    "evaluate/weaknesses/slicing.py": False,
    "gate/decision.py": False,
    "ingest/splits.py": False,
    "ingest/refusals/limit.py": False,
    "ingest/repeats/together.py": False,
    "lineage/ancestors.py": False,
    "merge/merge.py": False,
    "merge/report/data_report.py": False,
    "push/serving.py": False,
    "push/exports/converters.py": False,
    "predict/asking.py": False,
    "maps/grid.py": False,
    "maps/output/mosaic.py": False,
    "serve/inference.py": False,
    "serve/pages/openapi.py": False,
    "serve/drift/windows.py": False,
    "serve/canary/verdict.py": False,
    "evaluate/dense/truth.py": False,
    "scoring/dense/place_thresholds.py": False,
    "records/tile_decoder.py": True,
    "records/record_table.py": True,
    "records/source_image.py": False,  # of a source, which only shard and merge read
    "registry/layout.py": False,
    "registry/card/page.py": False,
    "f1_score.py": True,
    "saved_model/files.py": False,
    "scoring/field_sums.py": False,
    "scoring/overlap_iou.py": True,  # says which epoch of a dense head is the best
    "shard/tile_check.py": False,  # what it lets through is in the manifest
    "storage/bucket.py": False,
    "synth/plan.py": False,
    "train/training.py": False,
    "train/report.py": False,
    "train/receipt.py": False,
    "train/bottleneck.py": False,
    "train/charges.py": False,
    "train/more_workers.py": False,
    "train/component.py": False,
    "train/checkpoint/snapshot.py": True,
    "train/input/sampling.py": True,
    "train/input/cover.py": True,
    "train/launch/lease.py": False,
    "train/launch/bucket_lease.py": False,
    "train/launch/local/gang.py": False,
    "train/launch/pods/attempt.py": False,
    "train/loop/unfreezing.py": True,
    "train/loop/observers.py": False,
    "train/loop/pace.py": False,  # the same steps, in more or fewer calls
    "train/loop/step_clock.py": False,
    "train/loop/tensorboard.py": False,
    "train/model/stem.py": True,
    "train/model/activation_map.py": True,  # it is part of the export
    "train/model/dense_head.py": True,
    "train/peers/distribution.py": True,
    "train/peers/lifeline.py": False,
    "train/peers/rendezvous.py": False,
    "train/settings/backbones.py": True,
    "train/settings/config.py": False,  # its values count
    "train/settings/train_settings.py": False,
    "train/settings/tuning/loss.py": False,
    "train/settings/strategies.py": True,
    "train/settings/node_pools.py": False,
    "train/settings/preflight.py": False,  # what it resolves is in the name by its value
    "train/settings/training_id.py": False,
    "train/step/schedule.py": True,
    "train/model/hdf5_check.py": False,  # refuses files
    "train/worker/assembly.py": True,
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(COMPONENTS, tmp_path_factory.mktemp("tree") / "components", ignore=ignored))


@pytest.fixture
def edited(copy, request):
    """A function that changes a file of the copy, for this test alone."""

    def edit(path, change):
        file = copy / path
        before = file.read_text()
        request.addfinalizer(lambda: file.write_text(before))
        after = change(before)
        assert after != before
        file.write_text(after)
        return code_digest(copy)

    return edit


def _other_words(text):
    """Returns the same code with a comment more, and with every docstring reworded."""
    return "# A remark.\n" + re.sub(r'^( *""")(?=\w)', r"\1In other words: ", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("path", "changes"), CHANGES_THE_NAME.items())
def test_a_training_is_renamed_by_the_code_of_the_rooms_that_its_weights_follow_from(edited, path, changes):
    other = edited(path, lambda text: f"{text}\n_A_NEW_CONSTANT = 1\n")
    assert (other != code_digest()) == changes


@pytest.mark.parametrize("path", [path for path, changes in CHANGES_THE_NAME.items() if changes])
def test_a_training_keeps_its_name_when_only_comments_and_docstrings_change(edited, path):
    assert edited(path, _other_words) == code_digest()


def test_the_table_has_a_file_of_each_room():
    rooms = {path.parent.relative_to(COMPONENTS) for path in COMPONENTS.rglob("*.py") if path.name != "__init__.py"}
    assert {Path(path).parent for path in CHANGES_THE_NAME} == rooms


def test_a_file_counts_by_its_path_and_wherever_in_its_room_it_lies(copy):
    before = code_digest(copy)
    folder = copy / "train/step/losses/new"
    folder.mkdir(parents=True)
    shutil.copy(copy / "train/step/schedule.py", folder / "one.py")
    with_one = code_digest(copy)
    (folder / "one.py").rename(folder / "other.py")
    with_other = code_digest(copy)
    shutil.rmtree(copy / "train/step/losses")
    assert len({before, with_one, with_other}) == 3
    assert code_digest(copy) == before


@pytest.mark.parametrize("place", ["records", "agrivision.py", "train/loop/observers.py", "train/launch"])
def test_a_room_that_is_gone_is_noticed(copy, place):
    """A digest of what is left would be the same from then on, whatever happens to that room elsewhere."""
    (copy / place).rename(copy / "elsewhere")
    try:
        if place == "train/launch":  # counts for nothing, here or there
            assert code_digest(copy) == code_digest()
        else:
            with pytest.raises(FileNotFoundError, match=rf"no code at '.*/{place}', which code_digest.py lists"):
                code_digest(copy)
    finally:
        (copy / "elsewhere").rename(copy / place)


def test_all_code_that_a_worker_imports_counts_or_has_a_reason_not_to():
    imported = _imported_from("components.train.__main__")
    assert len(imported) > 50
    assert [str(path) for path in imported if path.name != "__init__.py" and is_counted(path) is None] == []


def test_no_code_counts_that_a_worker_does_not_import():
    imported = _imported_from("components.train.__main__")
    assert [str(path) for path in counted_files() if path.name != "__init__.py" and path not in imported] == []


MANIFEST = Manifest(
    layout="paper-2020",
    classes=("water",),
    bands=("red", "green", "blue", "nir"),
    seed=0,
    split_origin="official",
    min_class_fraction=0.002,
    tile_sizes={"48x48": 0},
    splits={},
)


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest": msgspec.structs.replace(MANIFEST, seed=1)},
        {"manifest": msgspec.structs.replace(MANIFEST, layout=CLASS_FOLDERS)},
        {"config": TrainConfig(epochs=3)},
        {"config": TrainConfig(bands="rgb")},
        {"config": TrainConfig(head="cam")},
        {"num_workers": 2},
        {"weights_sha256": "ab" * 32},
        {"max_seconds": 60},
        {"max_cost": 1.5},
        {"strategy": "mirrored"},
    ],
)
def test_a_training_is_renamed_by_every_setting_that_its_weights_follow_from(changes):
    same = {"manifest": MANIFEST, "config": TrainConfig(), "num_workers": 1, "strategy": "one_device"}
    assert training_id(**same) == training_id(**same)
    assert training_id(**{**same, **changes}) != training_id(**same)


def test_the_name_of_the_file_of_weights_does_not_count_only_what_is_in_it():
    names = [
        training_id(MANIFEST, TrainConfig(weights=weights), 1, weights_sha256="ab" * 32)
        for weights in ("/here/a.weights.h5", "gs://there/b.weights.h5")
    ]
    assert names[0] == names[1]


def _imported_from(module):
    """Returns the files under components/ that a module imports, itself or through others, at whatever time."""
    todo, found = [module], set()
    while todo:
        name = todo.pop()
        stem = COMPONENTS.parent / name.replace(".", "/")
        path = next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()), None)
        if path is None or path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module:
                todo += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                todo += [alias.name for alias in node.names]
    return {PurePosixPath(path.relative_to(COMPONENTS).as_posix()) for path in found}
