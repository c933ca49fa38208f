"""A study's document holds all that was measured, and is read only for the claims that it was measured for."""

import hashlib
import json

import msgspec
import pytest
from study_findings import MACHINE, findings_of
from study_tables import CLAIMS, QUIET, table_of

from components.contracts.study import Curve, Machine, Matrix, StudyResult, Words
from components.errors import DataError
from components.study.claims.claims_file import CLAIMS_PATH, read_claims
from components.study.results.machine import describe_machine, machine_digest
from components.study.results.study_result import make_result, read_study_result, write_result

TABLE = table_of([(1.2 + number / 100, 1.0) for number in range(12)], list(QUIET[:12]))

TEXT = Words(english="something", spanish="algo")
MATRIX = Matrix(
    name="m", title=TEXT, unit="s", row_title=TEXT, column_title=TEXT, rows=("a",), columns=("b",), values=((0.0,),)
)
CURVE = Curve(name="a", figure="f", title=TEXT, x_title=TEXT, y_title=TEXT, x=(1.0,), y=(2.0,))


def result_of(**values):
    preset = values.pop("preset", "laptop")
    return make_result(CLAIMS, preset, MACHINE, [TABLE], findings_of(**values), [MATRIX], [CURVE])


def test_a_result_survives_its_file(tmp_path):
    result = result_of()
    write_result(result, str(tmp_path / "study/result.json"))

    assert read_study_result(tmp_path / "study/result.json", CLAIMS) == result
    assert [verdict.claim for verdict in result.verdicts] == [claim.id for claim in CLAIMS.claims]
    assert {verdict.claim: verdict.verdict for verdict in result.verdicts if verdict.verdict != "not run here"} == {
        "tfrecord_faster_cpu": "confirmed"
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [("bound: 1.05", "bound: 1.04"), ("Larger batches converge worse.", "Larger batches converge somewhat worse.")],
)
def test_a_claim_that_is_changed_after_its_result_is_seen(tmp_path, old, new):
    result_of().write(tmp_path / "result.json")
    changed = tmp_path / "claims.yaml"
    changed.write_text(CLAIMS_PATH.read_text().replace(old, new, 1))
    claims = read_claims(changed)

    with pytest.raises(
        DataError,
        match=rf"result.json was measured for other claims: theirs have the digest {CLAIMS.sha256[:12]}, these "
        rf"{claims.sha256[:12]}; a claim is not changed after its result: measure again, or restore claims.yaml$",
    ):
        read_study_result(tmp_path / "result.json", claims)


def rewritten(path, change):
    """Writes a document whose content was changed, and its checksum with it."""
    content = json.loads(path.read_text())
    del content["checksum"]
    change(content)
    text = json.dumps(content, indent=1, sort_keys=True).removesuffix("\n}").encode()
    path.write_bytes(text + b',\n "checksum": "' + hashlib.sha256(text).hexdigest().encode() + b'"\n}\n')


def set_verdict(content):
    content["verdicts"][1]["verdict"] = "refuted"


def set_round(content, value=0.1):
    content["tables"][0]["rounds"][0][0] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_verdict, "says 'refuted' of tfrecord_faster_cpu, but 'confirmed' of tfrecord_faster_cpu follows from its"),
        (set_round, "says 'confirmed' of tfrecord_faster_cpu, but"),
        (lambda content: content["verdicts"].pop(), "must have a verdict on each of 27 claims, got 26"),
        (lambda content: content["findings"].pop(), "the claim more_workers_faster has no finding; say why it was not"),
        (
            lambda content: content["tables"].append(content["tables"][0]),
            "tables must have names of their own",
        ),
        (lambda content: content["tables"][0]["rounds"][0].pop(), "round 1 must have 3 numbers, got 2"),
        (lambda content: content["tables"][0]["arms"].append("a"), "an arm is named twice"),
        (lambda content: set_round(content, 1e-320), "round 1 must have numbers that can be compared, got"),
        (lambda content: set_round(content, -1e300), "round 1 must have numbers that can be compared, got"),
        (lambda content: content["curves"][0].update(y=[1e308]), "curve a must have numbers that can be compared"),
        (lambda content: content["matrices"][0].update(values=[[1e-300]]), "matrix m must have numbers that"),
        (lambda content: content["findings"][0]["values"].update(x=1e200), "the value of x must be one that"),
        (lambda content: content["machine"].update(host="here"), "unknown field `host`"),
        (lambda content: content.update(format_version=9), "is a study result of format 9"),
    ],
)
def test_a_document_that_was_changed_is_refused(tmp_path, change, message):
    path = tmp_path / "result.json"
    result_of().write(path)
    rewritten(path, change)

    with pytest.raises(DataError, match=message):
        read_study_result(path, CLAIMS)


def test_a_result_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read the results in '.*result.json': No such file or directory$"):
        read_study_result(tmp_path / "result.json", CLAIMS)


def test_a_changed_digit_is_noticed(tmp_path):
    path = tmp_path / "result.json"
    result_of().write(path)
    path.write_text(path.read_text().replace("1.2", "1.3", 1))

    with pytest.raises(DataError, match="its checksum does not match"):
        read_study_result(path, CLAIMS)


@pytest.mark.parametrize(
    ("findings", "message"),
    [
        (lambda all_of: all_of[:-1], "the claim more_workers_faster has no finding"),
        (lambda all_of: [*all_of, all_of[0]], "a claim must have one finding"),
        (lambda all_of: [*all_of, msgspec.structs.replace(all_of[0], claim="other")], "there is no claim other;"),
    ],
)
def test_each_claim_has_one_finding(findings, message):
    with pytest.raises(DataError, match=message):
        make_result(CLAIMS, "ci", MACHINE, [TABLE], findings(findings_of()))


def test_equal_rounds_give_equal_bytes_in_whatever_order_findings_come():
    result = result_of()

    again = make_result(CLAIMS, "laptop", MACHINE, [TABLE], findings_of()[::-1], [MATRIX], [CURVE])
    assert again.to_json() == result.to_json()
    assert StudyResult.from_json(result.to_json(), "x") == result


def test_this_machine_is_described_without_its_name(tmp_path):
    machine = describe_machine()

    assert machine.num_cores >= 1
    assert machine.memory_bytes > 1 << 28
    assert machine.python.startswith("3.11")
    assert machine.tensorflow.startswith("2.")
    assert set(machine.__struct_fields__) == {
        "cpu",
        "num_cores",
        "memory_bytes",
        "system",
        "python",
        "tensorflow",
        "accelerators",
    }


def test_a_machine_is_described_by_its_files(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\x1b[2J\nmodel name\t: Other\n")
    (tmp_path / "meminfo").write_text("MemTotal:       24683652 kB\nMemFree: 1 kB\n")
    (tmp_path / "os-release").write_text('NAME="X"\nPRETTY_NAME="X Linux 12"\n')

    machine = describe_machine(("L4",), proc=tmp_path, etc=tmp_path)

    assert (machine.cpu, machine.memory_bytes) == ("Some CPU @ 2.00GHz\\x1b[2J", 377 << 26)
    assert (machine.system, machine.accelerators) == ("X Linux 12", ("L4",))


def test_a_machine_whose_kernel_keeps_other_pages_for_itself_is_the_same(tmp_path):
    described = []
    for kilobytes in (24_684_092, 24_683_652):  # of two boots
        (tmp_path / "meminfo").write_text(f"MemTotal:       {kilobytes} kB\n")
        described.append(machine_digest(describe_machine(proc=tmp_path, etc=tmp_path)))
    assert described[0] == described[1]


@pytest.mark.parametrize("missing", [True, False])
def test_a_machine_without_these_files_is_described_too(tmp_path, missing):
    if not missing:
        for name in ("cpuinfo", "meminfo", "os-release"):
            (tmp_path / name).write_bytes(b"\xff\n")

    machine = describe_machine(proc=tmp_path, etc=tmp_path)

    assert machine.cpu
    assert machine.memory_bytes == 0


@pytest.mark.parametrize(("name", "value"), [("cpu", "b"), ("num_cores", 4), ("tensorflow", "2.20.0")])
def test_another_machine_has_another_digest(name, value):
    assert machine_digest(MACHINE) == machine_digest(Machine(**msgspec.structs.asdict(MACHINE)))
    assert machine_digest(msgspec.structs.replace(MACHINE, **{name: value})) != machine_digest(MACHINE)
