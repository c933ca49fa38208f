"""A study runs its experiments, keeps what each found, goes on where it was, and repeats in everything but times."""

import dataclasses
import json
import random
from pathlib import Path

import msgspec
import pytest
from fake_experiments import TEXT, TINY, epochs_of, fake_experiments, scale_of, study_in
from study_findings import MACHINE
from study_tables import CLAIMS

from components.contracts.study import Curve, Finding, Matrix, StudyPart
from components.errors import DataError
from components.study.experiments.experiment import Experiment
from components.study.protocol.measure_arms import NotRunHereError
from components.study.results.machine import accelerators_here
from components.study.results.study_in_short import study_in_short
from components.study.results.study_result import read_study_result
from components.study.results.what_repeats import what_repeats
from components.study.running.run_study import joined_study, run_study
from components.study.running.write_study import write_study

NUM_CLAIMS = len(CLAIMS.claims)


def curve_of(value):
    return Curve(name="a", figure="f", title=TEXT, x_title=TEXT, y_title=TEXT, x=(1.0,), y=(value,))


def verdicts_of(result):
    return {each.claim: each.verdict for each in result.verdicts if each.verdict != "not run here"}


def test_two_runs_are_the_same_in_everything_but_times(tmp_path):
    one, two = (
        run_study(study_in(tmp_path / name, MACHINE, []), fake_experiments(seed))
        for name, seed in (("one", 1), ("two", 2))
    )

    assert one != two
    assert what_repeats(one) == what_repeats(two)


def test_a_score_that_differs_between_runs_is_seen(tmp_path):
    one, two = (run_study(study_in(tmp_path / f"{loss}", MACHINE, []), [epochs_of(loss)]) for loss in (0.5, 0.50001))

    assert what_repeats(one) != what_repeats(two)


@pytest.mark.parametrize("is_measured", [True, False])
def test_a_matrix_that_says_that_it_was_measured_may_differ_between_runs(tmp_path, is_measured):
    def found(value):
        def run(bench):
            return [
                msgspec.structs.replace(each, is_measured=is_measured) if isinstance(each, Matrix | Curve) else each
                for each in (*epochs_of(value).run(bench), curve_of(value))
            ]

        return run_study(study_in(tmp_path / f"{value}", MACHINE, []), [Experiment("epochs", "Epochs", run)])

    assert (what_repeats(found(0.5)) == what_repeats(found(0.6))) == is_measured


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e200])
def test_a_training_that_diverged_is_told_in_one_line(tmp_path, value):
    with pytest.raises(DataError, match=r"'epochs' cannot be judged .* matrix losses must have numbers that can"):
        run_study(study_in(tmp_path, MACHINE, []), [epochs_of(value)])


def test_each_claim_has_a_verdict_and_what_was_not_chosen_says_so(tmp_path):
    lines = []
    result = run_study(study_in(tmp_path, MACHINE, lines), fake_experiments(1))

    assert len(result.verdicts) == NUM_CLAIMS
    assert verdicts_of(result) == {"more_workers_faster": "confirmed"}
    reasons = {each.claim: each.reason.english for each in result.verdicts}
    assert reasons["larger_than_memory"].endswith("its experiment was not among those that were run")
    assert lines[0] == "scale (1 of 2): Scale"
    assert "scale: measures" in lines
    assert lines[-1].startswith("epochs (2 of 2): done in")


def test_a_study_that_was_interrupted_goes_on_where_it_was(tmp_path):
    def killed(bench):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run_study(study_in(tmp_path, MACHINE, []), [scale_of(random.Random(1)), Experiment("epochs", "E", killed)])
    lines = []
    result = run_study(study_in(tmp_path, MACHINE, lines), fake_experiments(2))

    assert lines[0] == "scale (1 of 2): kept from an earlier run"
    assert (
        result.tables[0].rounds
        == run_study(study_in(tmp_path / "b", MACHINE, []), fake_experiments(1)).tables[0].rounds
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"preset": dataclasses.replace(TINY, rounds=13)},
        {"machine": msgspec.structs.replace(MACHINE, num_cores=4)},
        {"claims": msgspec.structs.replace(CLAIMS, claims=CLAIMS.claims[::-1])},
    ],
    ids=["preset", "machine", "claims"],
)
def test_what_was_found_otherwise_is_not_taken_over(tmp_path, changed):
    first = study_in(tmp_path, MACHINE, [])
    run_study(first, fake_experiments(1))
    lines = []
    run_study(dataclasses.replace(first, say=lines.append, **changed), fake_experiments(1))

    assert not [line for line in lines if "kept" in line]


def test_a_damaged_part_is_measured_again(tmp_path):
    study = study_in(tmp_path, MACHINE, lines := [])
    run_study(study, fake_experiments(1))
    Path(study.parts.uri("scale")).write_text("{")
    run_study(study, fake_experiments(1))

    assert [line for line in lines if "kept" in line] == ["epochs (2 of 2): kept from an earlier run"]


@pytest.mark.parametrize(
    "forge",
    [
        lambda part: {"tables": ()},
        lambda part: {"findings": ()},
        lambda part: {"findings": (*part.findings, Finding(claim="larger_than_memory", not_run=TEXT))},
        lambda part: {"tables": (*part.tables, *part.tables)},
    ],
    ids=["no table", "no finding", "another experiment's finding", "a table twice"],
)
def test_a_part_that_its_claims_cannot_be_judged_by_is_measured_again(tmp_path, forge):
    """Not refused: nobody would know which file to remove."""
    study = study_in(tmp_path, MACHINE, lines := [])
    first = run_study(study, fake_experiments(1))
    part = StudyPart.read(study.parts.uri("scale"))
    study.parts.keep(msgspec.structs.replace(part, **forge(part)))
    again = run_study(study, fake_experiments(1))

    assert [line for line in lines if "kept" in line] == ["epochs (2 of 2): kept from an earlier run"]
    assert again == first


def test_what_its_claims_cannot_be_judged_by_is_not_kept(tmp_path):
    study = study_in(tmp_path, MACHINE, [])
    found = [Finding(claim="more_workers_faster", table="scale", arms=("one worker", "two workers"))]
    with pytest.raises(DataError, match="more_workers_faster needs two arms of a table"):
        run_study(study, [Experiment("scale", "Scale", lambda bench: found)])

    assert study.parts.find("scale") is None


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "must find something of each of more_workers_faster, got findings of none"),
        ([Finding(claim="larger_than_memory", not_run=TEXT)], "got findings of larger_than_memory"),
        ([Finding(claim="more_workers_faster", not_run=TEXT)] * 2, "findings of more_workers_faster, more_workers_f"),
    ],
)
def test_an_experiment_finds_something_of_each_of_its_claims(tmp_path, found, message):
    with pytest.raises(DataError, match=message):
        run_study(study_in(tmp_path, MACHINE, []), [Experiment("scale", "Scale", lambda bench: found)])


def test_an_experiment_that_cannot_run_here_has_no_number(tmp_path):
    def run(bench):
        raise NotRunHereError(TEXT)

    result = run_study(study_in(tmp_path, MACHINE, []), [Experiment("scale", "Scale", run)])

    verdict = next(each for each in result.verdicts if each.claim == "more_workers_faster")
    assert (verdict.verdict, verdict.estimate) == ("not run here", None)
    assert verdict.reason.spanish == "no se ejecutó aquí: algo"


def test_parts_of_two_machines_are_not_one_study(tmp_path):
    study = study_in(tmp_path, MACHINE, [])
    run_study(study, fake_experiments(1))
    part = StudyPart.read(study.parts.uri("scale"))
    other = msgspec.structs.replace(part, machine=msgspec.structs.replace(MACHINE, cpu="Another CPU"))

    with pytest.raises(DataError, match="'scale' was measured with another machine"):
        joined_study(CLAIMS, "ci", MACHINE, [other])
    with pytest.raises(DataError, match="another preset: ci, not laptop"):
        joined_study(CLAIMS, "laptop", MACHINE, [part])


def test_the_files_are_whole_and_are_read_back(tmp_path):
    result = run_study(study_in(tmp_path, MACHINE, []), fake_experiments(1))
    document, page = write_study(result, CLAIMS, tmp_path / "out")

    assert read_study_result(document, CLAIMS) == result
    assert "confirmed" in page.read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["study.html", "study.json"]


def test_a_page_that_cannot_be_written_is_named_and_nothing_else_is_written(tmp_path):
    result = run_study(study_in(tmp_path, MACHINE, []), fake_experiments(1))
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "study.html").mkdir(parents=True)
    elsewhere.write_text("of somebody else")
    (out / ".study.html").symlink_to(elsewhere)

    with pytest.raises(IsADirectoryError, match=r"study\.html") as refused:
        write_study(result, CLAIMS, out)
    assert refused.value.filename == str(out / "study.html")
    assert elsewhere.read_text() == "of somebody else"
    (out / "study.html").rmdir()
    write_study(result, CLAIMS, out)
    assert elsewhere.read_text() == "of somebody else"
    assert sorted(path.name for path in out.iterdir()) == [".study.html", "study.html", "study.json"]


def test_the_verdicts_are_a_table_of_markdown(tmp_path):
    count, table = study_in_short(run_study(study_in(tmp_path, MACHINE, []), fake_experiments(1)), CLAIMS)

    assert count == f"Of {NUM_CLAIMS} claims, 1 confirmed, {NUM_CLAIMS - 1} not run here."
    rows = table.splitlines()
    assert len(rows) == NUM_CLAIMS + 2
    assert any(row.startswith("| `more_workers_faster` | confirmed | 1.8") for row in rows)


def test_gpus_are_known_by_what_the_driver_lists(tmp_path):
    assert accelerators_here(tmp_path) == ()
    card = tmp_path / "driver/nvidia/gpus/0000:00:04.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t NVIDIA L4\nIRQ: 11\n")

    assert accelerators_here(tmp_path) == ("NVIDIA L4",)


def test_a_part_survives_its_file(tmp_path):
    study = study_in(tmp_path, MACHINE, [])
    run_study(study, fake_experiments(1))
    content = Path(study.parts.uri("epochs")).read_bytes()

    assert StudyPart.from_json(content, "x").to_json() == content
    assert json.loads(content)["matrices"][0]["values"] == [[0.5, None]]
