"""From arms to a page, with real processes that do real work: what whoever adds an experiment has to write."""

import dataclasses
import textwrap
from pathlib import Path

import msgspec
import pytest
from study_arms import FOLDER, SHARDS, WITNESS
from study_findings import findings_of
from study_tables import CLAIMS

from components.study.arms.arm_comparison import ArmComparison
from components.study.protocol.arm_process import stopped_arm
from components.study.protocol.measure_arms import measure_arms
from components.study.protocol.plan import Plan
from components.study.results.machine import describe_machine, machine_digest
from components.study.results.study_page import write_study_page
from components.study.results.study_result import make_result, read_study_result, write_result

PROGRAM = """
    import hashlib, sys, time
    import msgspec
    from components.contracts.study import Witness
    from components.study.protocol.arm_process import serve_arm

    repeats, witness = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Witness)

    def turn():
        start = time.process_time()  # which does not count what else runs on the machine, as an experiment would
        for _ in range(repeats):
            hashlib.sha256(bytes(1 << 20)).digest()
        return time.process_time() - start

    serve_arm(lambda: witness, turn)
"""
REPEATS = {"folder": 15, "folder again": 15, "shards": 5}


@pytest.mark.slow
def test_what_takes_three_times_as_long_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    machine = describe_machine()
    digest = machine_digest(machine)
    arms = tuple(
        dataclasses.replace(arm, place=dataclasses.replace(arm.place, machine=digest)) for arm in (FOLDER, SHARDS)
    )
    witness = msgspec.json.encode(msgspec.structs.replace(WITNESS, machine=digest)).decode()

    def open_arm(arm):
        return stopped_arm(arm, ["-c", textwrap.dedent(PROGRAM), str(REPEATS[arm.name]), witness], timeout_seconds=60)

    table = measure_arms(ArmComparison(name="formats", factor="format", arms=arms), Plan(num_rounds=15), open_arm)
    findings = findings_of({"tfrecord_faster_cpu": {"table": "formats", "arms": ("folder", "shards")}})
    write_result(make_result(CLAIMS, "ci", machine, [table], findings), str(tmp_path / "result.json"))
    result = read_study_result(tmp_path / "result.json", CLAIMS)
    write_study_page(result, CLAIMS, tmp_path / "page.html")

    verdict = next(each for each in result.verdicts if each.claim == "tfrecord_faster_cpu")
    assert verdict.verdict == "confirmed", verdict  # of a bound of 1.05
    assert 2 < verdict.estimate < 4.5
    assert 0.6 < verdict.again < 1.6
    assert verdict.num_pairs == len(table.rounds) == 15
    assert "the interval" in (tmp_path / "page.html").read_text()
