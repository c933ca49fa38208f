"""What the steps of the study's pipeline do: begin, run one experiment after the other, join."""

import tempfile
from pathlib import Path

from components import environment
from components.contracts.study import StudyParts
from components.errors import DataError
from components.markdown import write_markdown
from components.progress import StepLog
from components.study.claims.claims_file import read_claims
from components.study.results.machine import accelerators_here, describe_machine
from components.study.results.study_in_short import study_in_short
from components.study.results.study_page import write_study_page
from components.study.running.presets import preset_of
from components.study.running.registry import chosen_experiments, known_experiments
from components.study.running.run_study import Study, joined_study, run_experiment

_KEPT = "study"  # below data_root


def begin_step(preset: str, parts_path: str) -> str:
    """Writes a study of which nothing has been run; returns what to say of it.

    Raises:
      SettingsError: if there is no such preset.
    """
    StudyParts(preset=preset_of(preset).name).write(parts_path)
    return f"preset {preset}, {len(read_claims().claims)} claims"


def run_step(name: str, data_root: str, before_path: str, parts_path: str, log: StepLog) -> str:
    """Runs an experiment, unless an earlier run has, and adds what it found; returns what to say of it.

    Raises:
      SettingsError: if there is no such experiment.
      DataError: if it fails, or an experiment before it was measured on another machine.
    """
    before, machine = StudyParts.read(before_path), describe_machine(accelerators_here())
    for part in before.parts:  # said now, because the last step would say it hours later
        if part.machine != machine:
            raise DataError(
                f"this step is on another machine than the experiment {part.experiment!r}: {machine}, not "
                f"{part.machine}; one page has one machine: give all steps one node, and run the study again"
            )
    (chosen,) = chosen_experiments(known_experiments(), [name])
    with tempfile.TemporaryDirectory(prefix="study-", dir=environment.temporary_folder()) as folder:
        study = Study(
            claims=read_claims(),
            preset=preset_of(before.preset),
            machine=machine,
            kept_uri=f"{data_root}/{_KEPT}",
            folder=Path(folder),
            say=log.line,
        )
        part = run_experiment(study, chosen)
    StudyParts(preset=before.preset, parts=(*before.parts, part)).write(parts_path)
    return f"{len(part.findings)} findings"


def join_step(parts_path: str, result_path: str, page_path: str, markdown_path: str) -> str:
    """Writes the result, its page and its verdicts in short; returns what to say of them.

    Raises:
      DataError: if nothing was run, or parts are of several machines.
    """
    found, claims = StudyParts.read(parts_path), read_claims()
    if not found.parts:
        raise DataError(f"{parts_path} has nothing that an experiment found; {found.way_out}")
    result = joined_study(claims, found.preset, found.parts[0].machine, found.parts)
    result.write(result_path)
    Path(page_path).parent.mkdir(parents=True, exist_ok=True)
    write_study_page(result, claims, page_path)
    blocks = study_in_short(result, claims)
    write_markdown(markdown_path, blocks)
    return blocks[0]
