"""Runs experiments one after the other: side by side they would slow each other, and measure that."""

import dataclasses
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from components import environment
from components.contracts.study import (
    Curve,
    Finding,
    Machine,
    Matrix,
    NotComparable,
    RoundTable,
    StudyPart,
    StudyResult,
    Words,
)
from components.errors import DataError
from components.study.claims.claims_file import Claims
from components.study.experiments.experiment import Bench, Experiment, Preset
from components.study.protocol.measure_arms import NotRunHereError
from components.study.results.study_result import make_result
from components.study.running.experiment_code import experiment_code
from components.study.running.kept_parts import KeptParts

_NOT_CHOSEN = Words(
    english="its experiment was not among those that were run",
    spanish="su experimento no estaba entre los que se ejecutaron",
)


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study is of, and where.

    Attributes:
      kept_uri: Folder or bucket of what experiments found; kept between runs.
      folder: Local, with a folder of each experiment; what is in it may be kept between runs.
      say: Tells whoever waits how far it is.
    """

    claims: Claims
    preset: Preset
    machine: Machine
    kept_uri: str
    folder: Path
    say: Callable[[str], None]

    @property
    def parts(self) -> KeptParts:
        """What experiments of this study have found."""
        return KeptParts(self.kept_uri, self.claims, self.preset, self.machine)

    def bench(self, experiment: Experiment) -> Bench:
        """Returns what an experiment runs on."""
        folder = self.folder / experiment.name
        folder.mkdir(parents=True, exist_ok=True)
        return Bench(
            self.preset.of(experiment.name), folder, lambda line: self.say(f"{experiment.name}: {line}"), self.machine
        )

    def found(self, experiment: str) -> StudyPart | None:
        """Returns what an experiment found in an earlier run; None if nothing, or nothing that claims are judged by."""
        try:
            return (part := self.parts.find(experiment)) and self.judged(part)
        except DataError:
            return None

    def judged(self, part: StudyPart) -> StudyPart:
        """Returns a part by which its claims can be judged.

        Raises:
          DataError: if it has no finding of one, one of another experiment's, or not what a finding needs.
        """
        asked = self.asked(part.experiment)
        if sorted(each.claim for each in part.findings) != sorted(asked):
            raise DataError(
                f"the experiment {part.experiment!r} must find something of each of {', '.join(asked) or 'no claim'}, "
                f"got findings of {', '.join(each.claim for each in part.findings) or 'none'}"
            )
        joined_study(self.claims, self.preset.name, self.machine, [part])
        return part

    def asked(self, experiment: str) -> list[str]:
        """Returns the claims that an experiment is about."""
        return [claim.id for claim in self.claims.claims if claim.experiment == experiment]


def run_study(study: Study, experiments: Sequence[Experiment]) -> StudyResult:
    """Runs those experiments that have not been run yet, and returns the result of all that was.

    Raises:
      DataError: if an experiment fails or does not find what the claims ask; what others found is kept.
    """
    for place, experiment in enumerate(experiments, 1):
        run_experiment(study, experiment, f"{place} of {len(experiments)}")
    names = dict.fromkeys(claim.experiment for claim in study.claims.claims)
    found = [part for name in names if (part := study.found(name))]
    return joined_study(study.claims, study.preset.name, study.machine, found)


def run_experiment(study: Study, experiment: Experiment, place: str = "1 of 1") -> StudyPart:
    """Returns what an experiment found, now or in an earlier run."""
    if kept := study.found(experiment.name):
        study.say(f"{experiment.name} ({place}): kept from an earlier run")
        return kept
    environment.quiet_tensorflow()  # in this process, and in those of arms
    study.say(f"{experiment.name} ({place}): {experiment.title}")
    start, used = time.monotonic(), _processor_seconds()
    part = study.judged(_measure(study, experiment))  # what cannot be judged would stop every later run
    study.parts.keep(part)
    took, used = time.monotonic() - start, _processor_seconds() - used
    study.say(f"{experiment.name} ({place}): done in {took:.0f} s, with {used:.0f} s of processor")
    return part


def _processor_seconds() -> float:
    """Returns what this process has used, and those that it started and that have ended: load changes it little."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _measure(study: Study, experiment: Experiment) -> StudyPart:
    try:
        results = experiment.run(study.bench(experiment))
    except NotRunHereError as error:
        results = [Finding(claim=claim, not_run=error.reason) for claim in study.asked(experiment.name)]
    except NotComparable as error:
        raise DataError(
            f"the experiment {experiment.name!r} cannot be judged by what it measured: {error}; a training that "
            "diverges ends so; what others found is kept"
        ) from error
    return StudyPart(
        experiment=experiment.name,
        claims_sha256=study.claims.sha256,
        code_sha256=experiment_code(experiment.name),
        preset=study.preset.name,
        machine=study.machine,
        findings=tuple(each for each in results if isinstance(each, Finding)),
        tables=tuple(each for each in results if isinstance(each, RoundTable)),
        matrices=tuple(each for each in results if isinstance(each, Matrix)),
        curves=tuple(each for each in results if isinstance(each, Curve)),
    )


def joined_study(claims: Claims, preset: str, machine: Machine, parts: Sequence[StudyPart]) -> StudyResult:
    """Returns the result of a study; what no part is about was not run.

    Raises:
      DataError: if a part was measured for other claims, by another preset, on another machine, or twice.
    """
    for part in parts:
        for what, got, expected in (
            ("claims", part.claims_sha256[:12], claims.sha256[:12]),
            ("preset", part.preset, preset),
            ("machine", part.machine, machine),
        ):
            if got != expected:
                raise DataError(
                    f"the experiment {part.experiment!r} was measured with another {what}: {got}, not {expected}; one "
                    "page has one of each: run the study again, all on one machine"
                )
    findings = {each.claim: each for part in parts for each in part.findings}
    return make_result(
        claims,
        preset,
        machine,
        [each for part in parts for each in part.tables],
        [findings.get(claim.id) or Finding(claim=claim.id, not_run=_NOT_CHOSEN) for claim in claims.claims],
        [each for part in parts for each in part.matrices],
        [each for part in parts for each in part.curves],
    )
