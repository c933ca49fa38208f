"""Experiments that take no time, one of them with times that differ in each run."""

import random

from study_tables import CLAIMS, table_of

from components.contracts.study import Curve, Finding, Matrix, Words
from components.study.experiments.experiment import Experiment, Preset
from components.study.running.run_study import Study

TINY = Preset(name="ci", rounds=12, seeds=1, num_tiles=12, tile_size_px=16, epochs=1)
TEXT = Words(english="some", spanish="algo")
SECONDS = Words(english="time of an epoch, s", spanish="tiempo por época, s")


def scale_of(noise):
    """The experiment `scale`, whose times are never the same."""

    def run(bench):
        bench.say("measures")
        rounds = [(1.8 + noise.random() / 10, 1.0) for _ in range(bench.preset.rounds)]
        again = [1 + (-1) ** place * noise.random() / 100 for place in range(len(rounds))]
        curve = Curve(
            name="one",
            figure="scale",
            title=TEXT,
            x_title=TEXT,
            y_title=SECONDS,
            x=(1.0, 2.0),
            y=(noise.random(), noise.random()),
            is_measured=True,
        )
        return [
            Finding(claim="more_workers_faster", table="t", arms=("a", "b")),
            table_of(rounds, again),
            curve,
        ]

    return Experiment("scale", "Scale", run)


def epochs_of(value=0.5):
    """The experiment `epochs`, which is the same each time."""

    def run(bench):
        matrix = Matrix(
            name="losses",
            title=TEXT,
            unit="loss",
            row_title=TEXT,
            column_title=TEXT,
            rows=("a",),
            columns=("b", "c"),
            values=((value, None),),
        )
        asked = [claim.id for claim in CLAIMS.claims if claim.experiment == "epochs"]
        return [matrix, *(Finding(claim=claim, not_run=TEXT) for claim in asked)]

    return Experiment("epochs", "Epochs", run)


def fake_experiments(seed=None):
    return (scale_of(random.Random(seed)), epochs_of())


def study_in(folder, machine, lines, preset=TINY):
    return Study(
        claims=CLAIMS,
        preset=preset,
        machine=machine,
        kept_uri=str(folder / "parts"),
        folder=folder / "scratch",
        say=lines.append,
    )
