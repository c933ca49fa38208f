"""Experiments of formats and memory, run small: what they find is judged, and is the same each time but for times."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from components.contracts.study import CONFIRMED, NOT_RUN, Curve, Finding, RoundTable
from components.errors import DataError
from components.study.claims.claims_file import read_claims
from components.study.experiments.experiment import Bench, Preset
from components.study.experiments.formats import all_experiments as of_formats
from components.study.experiments.memory import all_experiments as of_memory
from components.study.experiments.memory.memory_spec import WAYS
from components.study.results.machine import describe_machine
from components.study.verdicts.judging import judge_claim

ROOT = Path(__file__).parents[3]
CLAIMS = read_claims()
PRESET = Preset("ci", rounds=2, seeds=1, num_tiles=60, tile_size_px=64, epochs=1)
EXPERIMENTS = {each.name: each for each in (*of_formats.EXPERIMENTS, *of_memory.EXPERIMENTS)}


@pytest.fixture(autouse=True)
def our_tree_in_processes(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def sorted_out(results):
    """Findings and tables, by name."""
    findings = {each.claim: each for each in results if isinstance(each, Finding)}
    return findings, {each.name: each for each in results if isinstance(each, RoundTable)}


def judged(results):
    findings, tables = sorted_out(results)
    return {
        name: judge_claim(CLAIMS.by_id[name], CLAIMS.alpha, finding, tables).verdict
        for name, finding in findings.items()
    }


def without_times(results):
    """The results with nothing in them that a clock or the system told."""
    findings, tables = sorted_out(results)
    return [
        *(msgspec.structs.replace(finding, values=dict.fromkeys(finding.values, 0.0)) for finding in findings.values()),
        *(
            msgspec.structs.replace(table, rounds=tuple(tuple(0.0 for _ in values) for values in table.rounds))
            for table in tables.values()
        ),
    ]


def test_all_claims_of_these_experiments_have_one():
    asked = {"formats", "partitions", "compression", "conversion", "strategy", "devices", "memory"}
    asked |= {"formats_gpu", "formats_strategy"}

    assert EXPERIMENTS.keys() == asked
    assert asked <= {claim.experiment for claim in CLAIMS.claims}


def test_listing_the_experiments_loads_no_tensorflow():
    code = (
        "import sys; import components.study.experiments.formats.all_experiments, "
        "components.study.experiments.memory.all_experiments; print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("partitions", {"partitioned_tfrecord_better"}),
        ("conversion", {"conversion_pays"}),
        ("formats", {"tfrecord_faster_cpu", "binary_format_is_why"}),
    ],
)
def test_a_second_run_differs_in_times_only(name, claims, tmp_path):
    bench = Bench(PRESET, tmp_path / "one" / "bench", print, describe_machine())
    first = EXPERIMENTS[name].run(bench)
    again = EXPERIMENTS[name].run(Bench(PRESET, tmp_path / "two" / "bench", print, describe_machine()))

    assert without_times(first) == without_times(again)
    assert judged(first).keys() == claims
    tables = sorted_out(first)[1].values()
    assert all(min(values) > 0 for table in tables for values in table.rounds if not table.name.endswith("_seconds"))


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("compression", {"compressed_images_pay"}),
        ("strategy", {"strategy_competitive"}),
        ("formats_strategy", {"tfrecord_faster_with_strategy"}),
    ],
)
def test_arms_that_should_agree_do(name, claims, tmp_path):
    """They are refused, with the difference, if they do not; two rounds decide nothing."""
    results = EXPERIMENTS[name].run(Bench(PRESET, tmp_path / "bench", print, describe_machine()))

    assert judged(results) == dict.fromkeys(claims, "undecided")


@pytest.mark.long
def test_tiles_that_are_stored_small_have_an_arm_of_their_own(tmp_path):
    preset = Preset("laptop", rounds=1, seeds=1, num_tiles=60, tile_size_px=64, epochs=1)

    table = of_formats._stored_small(Bench(preset, tmp_path / "bench", print, describe_machine())).table

    assert table.arms == ("stored_whole", "stored_small")
    assert {witness.input_shape for witness in table.witnesses.values()} == {(32, 32, 3)}
    assert len({witness.order for witness in table.witnesses.values()}) == 1


@pytest.mark.long
def test_data_beyond_memory_train_with_a_reader_and_a_generator_and_not_all_at_once(tmp_path):
    bench = Bench(PRESET, tmp_path / "bench", print, describe_machine())

    results = of_memory.measure_memory(bench, of_memory.MemorySizes(1 << 30, (128, 256, 384)))

    assert judged(results) == {"larger_than_memory": CONFIRMED, "generator_holds_one_batch": CONFIRMED}
    curves = [each for each in results if isinstance(each, Curve)]
    assert tuple(curve.name for curve in curves) == WAYS
    grown = {curve.name: (curve.y[-1] - curve.y[0]) / (curve.x[-1] - curve.x[0]) for curve in curves}
    assert abs(grown["reader"]) < 0.1
    assert grown["load_everything"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("name", ["formats_gpu", "devices"])
def test_what_needs_a_gpu_is_not_run_here(name, tmp_path):
    results = EXPERIMENTS[name].run(Bench(PRESET, tmp_path / "bench", print, describe_machine()))

    assert set(judged(results).values()) == {NOT_RUN}


@pytest.mark.slow
def test_an_arm_on_a_gpu_that_tensorflow_does_not_see_is_no_arm_on_a_gpu(tmp_path):
    """The driver lists one, and TensorFlow would train on the processor and say nothing: a GPU as fast as a CPU."""
    machine = msgspec.structs.replace(describe_machine(), accelerators=("NVIDIA L4",))
    with pytest.raises(DataError, match=r"the arm 'gpu' failed: TensorFlow sees no GPU"):
        EXPERIMENTS["devices"].run(Bench(PRESET, tmp_path, print, machine))
