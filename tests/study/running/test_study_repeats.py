"""Two runs of the smallest preset are the same in everything but what a clock or the system told."""

import pytest
from study_tables import CLAIMS

from components.study.results.machine import describe_machine
from components.study.results.what_repeats import what_repeats
from components.study.running.presets import PRESETS
from components.study.running.registry import chosen_experiments, known_experiments
from components.study.running.run_study import Study, run_study

QUICK = ("hybrid", "augmentation", "parallel_sgd_time", "devices")


@pytest.mark.long
def test_two_runs_of_quick_experiments_agree_in_all_but_what_is_measured(tmp_path):
    one, two = (
        run_study(
            Study(
                claims=CLAIMS,
                preset=PRESETS["ci"],
                machine=describe_machine(),
                kept_uri=str(tmp_path / name / "parts"),
                folder=tmp_path / name / "scratch",
                say=print,
            ),
            chosen_experiments(known_experiments(), QUICK),
        )
        for name in ("one", "two")
    )

    assert one != two
    assert what_repeats(one) == what_repeats(two)
