"""The console command as a user meets it: its exit code and what it prints, from a real process where that matters."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_here import agrivision_here

from pipeline.parameters import PARAMETERS

ROOT = Path(__file__).parents[2]


def agrivision(*arguments, **options):
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False, **options)


def make(*arguments):
    # Without what a make above this test would hand down, such as its own directory messages.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    return subprocess.run(["make", *arguments], capture_output=True, text=True, cwd=ROOT, check=True, env=clean)


def test_help_lists_the_commands_and_the_exit_codes():
    result = agrivision("--help")

    assert result.returncode == 0
    for word in ("synth", "run", "compile", "submit", "verify", "plan", "predict", "rollback", "42 bad data"):
        assert word in result.stdout


def test_every_parameter_of_the_pipeline_is_an_option_of_run_and_submit(monkeypatch):
    for command in ("run", "submit"):
        result = agrivision(command, "--help", env={"COLUMNS": "200", "PATH": ""})
        for name in PARAMETERS:
            assert f"--{name.replace('_', '-')}" in result.stdout, (command, name)


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"]])
def test_help_imports_nothing_heavy(command):
    probe = (
        "import sys\nfrom pipeline.cli import main\n"
        f"sys.argv = ['agrivision', *{command!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'kfp', 'keras', 'sklearn', 'matplotlib', 'google.cloud', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )

    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=False)

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train-config", '{"epochs": 0}'], "epochs must be at least 1, got 0"),
        (
            ["--train-config", '{"backbone": "resnet"}'],
            "unknown train_backbone 'resnet' (did you mean 'resnet50'?); expected one of small, ",
        ),
        (["--train-config", '{"lr": 1}'], "unknown key 'lr'; the keys are backbone, "),
        (["--train-config", "fast"], "train_config must be JSON, got 'fast'"),
        (["--train-config", '{"global_batch_size": 33}'], "must be a multiple of train_num_workers=2, got 33"),
        (["--train-num-workers", "0"], "train_num_workers must be at least 1, got 0"),
        (["--train-max-restarts", "-1"], "train_max_restarts must be at least 0, got -1"),
        (["--train-max-seconds", "-1"], "train_max_seconds must be at least 0, got -1"),
        (["--train-checkpoint-seconds", "-1"], "train_checkpoint_seconds must be at least 0, got -1"),
        (["--train-keep-checkpoints", "0"], "train_keep_checkpoints must be at least 1, got 0"),
        (
            ["--shard-tile-size-px", "64", "--train-config", '{"image_size_px": 128}'],
            "shard_tile_size_px must be at least train_image_size_px=128, or 0",
        ),
        (["--train-config", '{"head": "cam"}'], "shard_label_masks must be true for head cam of train_config, which"),
        (["--ingest-layout", "folders"], "'folders' (did you mean 'class-folders'?); expected one of auto, paper-2020"),
        (["--ingest-val-percent", "70", "--ingest-test-percent", "40"], "70"),
        (["--gate-min-macro-f1", "1.5"], "gate_min_macro_f1 must be between 0 and 1, got 1.5"),
        (["--data-root", ""], "data_root must not be empty"),
        (["--train-profile", "gpu"], "unknown train_profile 'gpu'; expected one of cpu, gke-gpu-l4"),
        (["--train-cpu", "two"], 'train_cpu must be a Kubernetes quantity such as "500m" or "2", got '),
        (["--train-tolerations", "[1]"], "train_tolerations must be objects of effect, key"),
        (["--train-profile", "gke-tpu-v5e"], "training on google.com/tpu supports one TPU host"),
        (["--train-node-selector", "a=b"], "train_node_selector must be JSON, got 'a=b'"),
    ],
)
def test_bad_settings_are_refused_in_one_line_before_anything_starts(tmp_path, options, message):
    result = agrivision_here("run", "--source-uri", tmp_path, "--runs-dir", tmp_path / "runs", *options)

    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_an_unknown_option_and_a_missing_source_are_usage_errors():
    assert agrivision("run", "--source-uri", "x", "--epochs", "1").returncode == 2
    assert agrivision("run").returncode == 2


def test_synth_refuses_an_unknown_layout_with_the_known_ones(tmp_path):
    result = agrivision("synth", "--layout", "coco", tmp_path / "tiles")

    assert result.returncode == 2
    assert "'coco'" in result.stderr
    assert "class-folders" in result.stderr
    assert not (tmp_path / "tiles").exists()


def test_make_passes_settings_on_to_the_run():
    settings = ["SOURCE=my tiles", "TRAIN_NUM_WORKERS=4", 'TRAIN_CONFIG={"epochs": 1}', "DATA_ROOT=/d"]
    result = make("-n", "run", *settings)

    line = result.stdout.splitlines()[-1]
    assert "--source-uri='my tiles'" in line
    assert "--train-num-workers='4'" in line
    assert "--train-config='{\"epochs\": 1}'" in line
    assert line.count("--data-root") == 1
    assert "--data-root='/d'" in line


def test_make_without_a_source_runs_on_demo_tiles():
    result = make("-n", "run")

    assert "agrivision synth --num-tiles 600 demo/tiles-600" in result.stdout or (ROOT / "demo/tiles-600").exists()
    assert "--source-uri='demo/tiles-600'" in result.stdout.splitlines()[-1]


def test_make_help_lists_every_target():
    result = make("help")

    for target in ("run", "test", "check", "compile", "lock", "image"):
        assert f"\n  {target} " in f"\n{result.stdout}"


@pytest.mark.parametrize("source", ["it's here", "two  words", "a$b", '"quoted"; rm', "file:///tiles", "gs://b/tiles"])
def test_make_hands_a_source_on_as_it_is(source):
    told = make("-n", "-o", ".venv/.run", "run", f"SOURCE={source}", 'TRAIN_CONFIG={"backbone": "it\'s"}').stdout
    words = shlex.split(told)

    assert f"--source-uri={source}" in words
    assert '--train-config={"backbone": "it\'s"}' in words


def test_make_mirror_hands_both_places_on_as_they_are():
    told = make("-n", "-o", ".venv-ingest/.ingest", "mirror", "SOURCE=it's here", "TO=o'clock").stdout

    assert shlex.split(told)[-3:] == ["mirror", "it's here", "o'clock"]


def test_a_file_uri_is_a_path_to_every_command(tmp_path):
    place = tmp_path / "with space"
    assert agrivision_here("synth", f"{place.as_uri()}/tiles", "--num-tiles=3", "--tile-size-px=64").returncode == 0
    assert agrivision_here("mirror", f"{place.as_uri()}/tiles", f"file://localhost{place}/copy").returncode == 0
    assert agrivision_here("plan", f"--source-uri={place.as_uri()}/copy", "--train-num-workers=1").returncode == 0
    for command in (["verify"], ["drift", "x"]):
        result = agrivision_here(*command, f"{place.as_uri()}/none.json")
        assert result.returncode == 42
        assert "file:" not in result.stderr
    assert f"'{place}/m'" in agrivision_here("rollback", f"{place.as_uri()}/m").stderr
