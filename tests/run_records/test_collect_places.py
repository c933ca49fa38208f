"""Where `agrivision collect` reads and writes: where the user says, and nowhere that a run or a record names."""

import json
import shutil

import msgspec
import pytest
from collected import ROOT, collect, record
from command_here import agrivision_here
from kubeflow_past import add_run, past_run
from test_run_record_file import EARLY

from components.contracts import RunRecord
from components.run_records.record_file import keep_record

pytestmark = pytest.mark.usefixtures("bucket")


def test_runs_of_other_pipelines_and_places_are_left_alone(server, bucket):
    other = {"pipeline_version_reference": {"pipeline_id": "other", "pipeline_version_id": "1"}}
    add_run(server, past_run("run-a", "pushed", **other))
    add_run(server, past_run("run-b", "pushed", pipeline_version_reference=None))
    add_run(server, past_run("run-c", "pushed", data_root="gs://b/elsewhere"))

    done = collect(server, f"--data-root={ROOT}/")

    assert done.stdout == "wrote 0 records; 0 were complete before, 1 have another data_root\n"
    assert bucket.objects == {}


@pytest.mark.parametrize(
    ("data_root", "message"),
    [
        ("/mnt/agrivision/data", "is a folder on the cluster; give --data-root, the same folder on this machine"),
        ("/etc", "is a folder on the cluster; give --data-root"),
        ("", "has no parameter data_root"),
        (7, "has no parameter data_root"),
        ("ftp://x/y", "cannot read or write 'ftp://x/y'"),
    ],
)
def test_no_run_can_choose_a_folder_of_this_machine(server, data_root, message):
    add_run(server, past_run("run-a", "pushed", data_root=data_root))

    done = collect(server)

    assert done.returncode == 2
    assert message in done.stderr


def test_a_run_on_a_volume_is_recorded_where_the_user_has_the_volume(server, tmp_path):
    add_run(server, past_run("run-a", "pushed", data_root="/mnt/agrivision/data"))
    add_run(server, past_run("run-b", "pushed"), 200)  # in a bucket, and not asked for

    assert collect(server, f"--data-root={tmp_path}").returncode == 0

    assert record("run-a", str(tmp_path)).is_complete
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.suffix == ".json"] == ["run-a.json"]


def test_a_hostile_id_leads_nowhere(server, bucket):
    add_run(server, past_run("..%2F..%2Fup", "failed"))
    add_run(server, past_run("../../up", "failed"))

    collect(server)

    assert all(uri.startswith(f"{ROOT}/runs/") and uri.count("/") == 5 for uri in bucket.objects)


def test_a_folder_of_records_is_told_of_without_kubeflow(tmp_path, monkeypatch):
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)
    for number in range(25):
        ending = f"2099-01-01T00:00:{number:02}Z"
        keep_record(str(tmp_path), msgspec.structs.replace(EARLY, run_id=f"r{number}", ended=ending, is_complete=True))
    keep_record(str(tmp_path), msgspec.structs.replace(EARLY, run_id="old", ended="2001-01-01T00:00:00Z"))

    done = agrivision_here("collect", f"--data-root={tmp_path}", "--json")

    assert done.returncode == 0
    assert [json.loads(line)["run_id"] for line in done.stdout.splitlines()] == [f"r{n}" for n in range(24, 4, -1)]


def test_reports_are_copied_from_the_runs_own_place_alone(server, bucket, tmp_path):
    secret = {"data report": "gs://other/secret", "model": "gs://other/secret"}
    bucket.write("gs://other/secret", b"not yours")
    bucket.write(f"{ROOT}/datasets/{'a' * 16}/report.html", b"<html>")
    keep_record(ROOT, msgspec.structs.replace(EARLY, run_id="run-a", is_complete=True, links=secret))
    add_run(server, past_run("run-a", "pushed"))

    assert collect(server, f"--reports={tmp_path}").returncode == 0

    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert files["run-a/data-report.html"] == b"<html>"
    assert RunRecord.from_json(files["run-a/record.json"], "record").run_id == "run-a"
    assert len(files) == 2


@pytest.mark.parametrize("option", ["--host=http://127.0.0.1:1", "--since-days=14"])
def test_a_data_root_that_is_not_there_is_no_place_without_records(monkeypatch, option):
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)

    done = agrivision_here("collect", "--data-root=mistyped", option)

    assert done.returncode == 2
    assert "no folder 'mistyped'; expected the data_root of a pipeline that has run" in done.stderr


def test_a_record_under_another_name_is_no_run_of_its_own(tmp_path):
    keep_record(str(tmp_path), msgspec.structs.replace(EARLY, run_id="run-a", is_complete=True))
    runs = tmp_path / "runs"
    shutil.copy(runs / "run-a.json", runs / "run-a (copy).json")

    done = agrivision_here("collect", f"--data-root={tmp_path}", "--since-days=3650", "--json")

    assert done.returncode == 42
    assert "run-a (copy).json is the record of run 'run-a'; give it that name, or remove it" in done.stderr
    assert [json.loads(line)["run_id"] for line in done.stdout.splitlines()] == ["run-a"]


def test_what_is_written_for_people_is_there_as_a_whole_or_not_at_all(tmp_path):
    keep_record(str(tmp_path), msgspec.structs.replace(EARLY, run_id="run-a", is_complete=True))
    command = ("collect", f"--data-root={tmp_path}", "--since-days=3650")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "run-a").write_text("in the way")

    assert agrivision_here(*command, f"--markdown={tmp_path}/new/comment.md").returncode == 0
    assert "`run-a`" in (tmp_path / "new" / "comment.md").read_text()
    done = agrivision_here(*command, f"--reports={tmp_path}/reports")
    assert done.returncode == 42
    assert f"cannot use '{tmp_path}/reports/run-a': File exists; expected a folder" in done.stderr
    done = agrivision_here(*command, f"--markdown={tmp_path}/reports")
    assert f"cannot use '{tmp_path}/reports': Is a directory; expected a file" in done.stderr
