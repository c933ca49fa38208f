"""The scoring pipeline: its compiled form, and a whole run of it on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from map_rasters import pushed_colours, scene, write_raster

from components.errors import DataError, SettingsError
from components.maps.score import score_source
from components.maps.settings import MapSettings, ScoreSettings
from components.maps.steps import do_share, merge_maps, plan_maps
from components.progress import StepLog
from pipeline.compile import COMMITTED
from pipeline.parameters import VOLUME_CLAIM
from pipeline.scoring_pipeline import SCORING_NAME, scoring_fields

ROOT = Path(__file__).parents[2]
COMPILED_SCORING, COMPILED_SCORING_VOLUME = COMMITTED[SCORING_NAME, False], COMMITTED[SCORING_NAME, True]
LOG = StepLog("score")


def spec_of(path):
    return next(yaml.safe_load_all(path.read_text()))


def test_the_committed_yaml_is_current(tmp_path):
    """`make compile` has been run since the pipeline last changed."""
    for committed, options in ((COMPILED_SCORING, []), (COMPILED_SCORING_VOLUME, ["--volume"])):
        path = tmp_path / "pipeline.yaml"
        code = "from pipeline.cli import main; main()"
        command = [sys.executable, "-c", code, "compile", "--scoring", "--out", str(path), *options]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin"})
        assert path.read_text() == committed.read_text()


def test_the_run_form_shows_every_field_with_its_default_and_its_meaning():
    for path, with_volume in ((COMPILED_SCORING, False), (COMPILED_SCORING_VOLUME, True)):
        inputs = spec_of(path)["root"]["inputDefinitions"]["parameters"]
        shown = scoring_fields(with_volume)
        assert set(inputs) == set(shown)
        for name, each in inputs.items():
            assert each["defaultValue"] == shown[name].default
            assert " ".join(each["description"].split()) == " ".join(shown[name].help.split())
    assert inputs["volume_claim"]["defaultValue"] == VOLUME_CLAIM


def test_no_step_is_cached_or_root_and_the_maps_wait_for_all_shares():
    tasks = spec_of(COMPILED_SCORING)["root"]["dag"]["tasks"]
    (loop,) = set(tasks) - {"plan-windows", "maps"}
    assert tasks["maps"]["dependentTasks"] == [loop, "plan-windows"]
    assert '"enableCache": true' not in COMPILED_SCORING.read_text()
    assert "enableCache: true" not in COMPILED_SCORING.read_text()
    _, platform = yaml.safe_load_all(COMPILED_SCORING.read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name: each["securityContext"]["runAsNonRoot"] for name, each in executors.items()} == {
        "exec-plan-windows": True, "exec-score-windows": True, "exec-maps": True
    }  # fmt: skip


IN_KFP = """
import json, sys
from kfp import local
from pipeline.scoring_pipeline import scoring_pipeline
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1], raise_on_error=True)
scoring_pipeline()(**json.loads(sys.argv[2]))
"""


@pytest.mark.long
def test_a_run_by_kfp_makes_the_same_map_as_the_command(tmp_path):
    models, _ = pushed_colours(tmp_path)
    path = write_raster(tmp_path / "a.tif", scene(300, 401))
    settings = ScoreSettings(window_px=64)
    score_source(str(path), models, str(tmp_path / "here"), settings, LOG)
    values = {"source_uri": str(path), "model_uri": models, "target_uri": str(tmp_path / "kfp")}
    arguments = json.dumps(values | {"num_partitions": 3, "window_px": 64})
    command = [sys.executable, "-c", IN_KFP, str(tmp_path / "artifacts"), arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def contents(folder):
        files = (each for each in folder.rglob("*") if each.is_file() and not each.name.endswith(".lock"))
        return {str(each.relative_to(folder)): each.read_bytes() for each in files}

    assert contents(tmp_path / "kfp") == contents(tmp_path / "here")
    page = (tmp_path / "here" / "a" / "a.html").read_bytes()
    assert [each for each in (tmp_path / "artifacts").rglob("*") if each.is_file() and each.read_bytes() == page]


@pytest.mark.usefixtures("models_here")
def test_a_plan_keeps_to_one_version_and_has_no_more_shares_than_parts(tmp_path):
    models, card = pushed_colours(tmp_path)
    path = write_raster(tmp_path / "a.tif", scene(100, 100))
    where = MapSettings(source_uri=str(path), model_uri=models, target_uri=str(tmp_path / "to"), num_partitions=50)
    plan = plan_maps(where, ScoreSettings(window_px=64), LOG)
    assert plan.model_uri == f"{models}/versions/{card.version}"
    assert len(plan.shares) == 3
    done = [do_share(plan, each.share, LOG) for each in plan.shares]
    assert [each.num_parts for each in done] == [1, 1, 1]
    with pytest.raises(DataError, match="share 1 of 3 is not done; run the pipeline again"):
        merge_maps(plan, [done[0], done[2]], str(tmp_path / "page.html"), LOG)
    files = merge_maps(plan, done, str(tmp_path / "page.html"), LOG)
    assert Path(files[-1]).read_bytes() == (tmp_path / "page.html").read_bytes()
    assert len(plan_maps(where, ScoreSettings(window_px=64), LOG).shares) == 1  # the map is there
    with pytest.raises(SettingsError, match="another map is in"):
        plan_maps(where, ScoreSettings(window_px=64, overlap=0.0), LOG)
