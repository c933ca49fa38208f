"""What a call decides of a source that has changed, or not, against its last run; and what it costs."""

import builtins
import os
import threading

import pytest
from changing_source import PACKAGE, ChangingSource
from ingested import build, names

from components import storage
from components.errors import DataError
from components.ingest import survey
from pipeline.kubeflow.package import Package
from pipeline.retrain import looking
from pipeline.retrain.retraining import Decided
from pipeline.retrain.runs import RunState
from pipeline.retrain.sightings import sighting_uri
from pipeline.retrain.triggers import trigger_uri


@pytest.fixture
def source(tmp_path) -> ChangingSource:
    return ChangingSource(tmp_path)


@pytest.fixture
def answered(source) -> ChangingSource:
    """A source whose run has ended, with what ingest left of it."""
    assert source.call().decided is Decided.STARTED
    build(str(source.source), f"{source.root}/data")
    source.end_run()
    return source


def test_a_source_that_nothing_was_made_of_is_run_and_its_fingerprint_is_ingests(source):
    answer = source.call()

    assert (answer.decided, answer.exit_code, answer.run_id) == (Decided.STARTED, 0, "run-1")
    assert answer.why == ("no model is in production, and no run of this source has ended",)
    assert answer.fingerprint == build(str(source.source), f"{source.root}/data").fingerprint
    assert (answer.num_tiles, answer.num_files) == (52, 60 * 4 + 52)


def test_every_call_after_that_names_the_run_or_its_answer(source):
    first = source.call()

    assert source.call().decided is Decided.RUNNING
    source.end_run()
    answer = source.call()

    assert (answer.decided, answer.exit_code, answer.run_id) == (Decided.ANSWERED, 0, first.run_id)
    assert len(source.server.runs) == 1


def test_an_unchanged_source_costs_its_listing_and_nothing_else(answered, monkeypatch):
    def must_not(*_, **__):
        raise AssertionError("not for an unchanged source")

    monkeypatch.setattr(looking, "paired_source", must_not)
    monkeypatch.setattr(looking, "find_reference", must_not)
    opened = []
    open_file, os_open = builtins.open, os.open

    def noted(opener):
        def opened_by(path, *arguments, **options):
            opened.append(str(path))
            return opener(path, *arguments, **options)

        return opened_by

    monkeypatch.setattr(builtins, "open", noted(open_file))
    monkeypatch.setattr(os, "open", noted(os_open))
    before, num_requests = answered.written(), len(answered.server.requests)
    opened.clear()

    answer = answered.call()
    read = {path for path in opened if path.startswith(str(answered.root))}

    assert (answer.decided, answer.exit_code) == (Decided.ANSWERED, 0)
    data_root = f"{answered.root}/data"
    assert read <= {sighting_uri(data_root, str(answered.source)), trigger_uri(data_root, answer.key)}
    assert len(answered.server.requests) == num_requests
    monkeypatch.undo()
    assert answered.written() == before


def test_new_changed_and_gone_tiles_are_counted_and_named(answered):
    answered.add_tiles(3)
    changed, gone = names("TRAIN", 2)
    os.utime(answered.files_of(changed)[0])
    for path in answered.files_of(gone):
        path.unlink()

    answer = answered.call()
    changes = answer.found.changes

    assert answer.decided is Decided.STARTED
    assert answer.why == ("3 new and 1 changed tiles (--min-new-tiles=1)",)
    assert (changes.new.num_tiles, changes.num_same) == (3, 50)
    assert (changes.changed.num_tiles, changes.changed.examples) == (1, (changed,))
    assert (changes.gone.num_tiles, changes.gone.examples) == (1, (gone,))
    assert answer.found.compared_with == "the last run of this source that ended, run-1"
    assert len(answered.server.runs) == 2


def test_a_file_beside_the_tiles_is_no_change(answered):
    answered.write(["README.md"])

    answer = answered.call()

    assert answer.decided is Decided.ANSWERED
    assert answer.num_files == 60 * 4 + 52 + 1


def test_too_few_new_tiles_start_nothing_until_there_are_enough(answered):
    answered.add_tiles(3)

    few = answered.call(min_new_tiles=4)
    assert (few.decided, few.exit_code) == (Decided.NOT_ENOUGH, 0)
    assert few.why == ("only 3 new and 0 changed tiles (--min-new-tiles=4)",)
    answered.add_tiles(4)

    assert answered.call(min_new_tiles=4).decided is Decided.STARTED


def test_age_is_a_reason_and_says_so(answered):
    answered.add_tiles(1)
    answered.clock.sleep(86_400 * 3)
    few = {"min_new_tiles": 100, "max_age_days": 3.5}

    assert answered.call(**few).decided is Decided.NOT_ENOUGH
    answered.clock.sleep(86_400 * 0.5)
    answer = answered.call(**few)

    assert answer.decided is Decided.STARTED
    assert answer.why == ("3.5 days old (--max-age-days=3.5)",)


def test_age_alone_does_not_run_the_same_tiles_again(answered):
    answered.clock.sleep(86_400 * 100)

    assert answered.call(max_age_days=1).decided is Decided.ANSWERED


@pytest.mark.parametrize(("threshold", "decided"), [(0.05, Decided.STARTED), (0.5, Decided.NOT_ENOUGH)])
def test_a_shift_of_classes_is_told_from_the_names_of_label_files(threshold, decided, answered):
    for path in sorted(answered.source.glob("train/labels/standing_water/*.png"))[:10]:
        path.unlink()

    answer = answered.call(min_new_tiles=1000, min_class_shift=threshold)

    assert answer.decided is decided
    assert "the share of standing_water went from 100.0% to 80.8%" in answer.why[-1]


def test_another_pipeline_or_parameter_runs_an_answered_source_again_only_if_it_has_changed(answered):
    other = Package("apiVersion: v2", "sha-2")
    assert answered.call(package=other).decided is Decided.UNCHANGED
    answered.add_tiles(1)
    assert answered.call().decided is Decided.STARTED

    assert answered.call(package=other).run_id == "run-3"
    assert answered.call(parameters=answered.parameters(train_epochs=3)).run_id == "run-4"
    # Other machines give the same result, and so does the name of the same content.
    assert answered.call(parameters=answered.parameters(train_memory="8Gi")).run_id == "run-2"
    assert answered.call(package=Package(PACKAGE.text, "nightly")).run_id == "run-2"


def test_what_is_written_down_can_be_read_again_whatever_the_names_are(source):
    odd = Package("apiVersion: v1", "\x1b[2J\n" + "v" * 3000)

    assert source.call(package=odd).decided is Decided.STARTED
    assert source.call(package=odd).decided is Decided.RUNNING


def test_a_source_that_changes_during_its_run_gets_another_run(source):
    first = source.call()
    source.add_tiles(2)
    second = source.call()

    assert (first.run_id, second.run_id) == ("run-1", "run-2")
    assert first.key != second.key
    assert source.call().run_id == "run-2"


def test_two_sources_with_one_data_root_do_not_meet(source, tmp_path):
    other = ChangingSource(tmp_path, "copy")  # of equal files, to the last time
    other.server = source.server

    assert source.call().run_id == "run-1"
    assert other.call().run_id == "run-2"
    assert source.call().run_id == "run-1"


def test_a_failed_run_waits_and_is_tried_again_for_the_reasons_it_had(source):
    source.call()
    source.end_run(RunState.FAILED)

    waiting = source.call()
    assert (waiting.decided, waiting.exit_code) == (Decided.WAITS, 75)
    source.clock.sleep(600)
    again = source.call()

    assert (again.decided, again.attempt) == (Decided.STARTED, 2)
    assert again.why == ("no model is in production, and no run of this source has ended",)
    source.end_run(RunState.FAILED)
    given_up = source.call(max_attempts=2)
    assert (given_up.decided, given_up.exit_code) == (Decided.GIVEN_UP, 1)


def test_a_source_that_is_still_written_waits_until_it_has_settled(source):
    waiting = source.call(settle_minutes=30)
    assert (waiting.decided, waiting.exit_code) == (Decided.SETTLING, 75)
    source.clock.sleep(20 * 60)
    source.add_tiles(1)
    assert source.call(settle_minutes=30).decided is Decided.SETTLING
    source.clock.sleep(29 * 60)
    still = source.call(settle_minutes=30)
    assert (still.decided, still.until) == (Decided.SETTLING, waiting.until + (still.until - waiting.until))
    assert (still.until - source.clock.now()).total_seconds() == 60
    source.clock.sleep(60)

    assert source.call(settle_minutes=30).decided is Decided.STARTED


def test_half_a_tile_that_is_still_copied_is_no_error_while_the_source_settles(source):
    source.write(["train/images/rgb/HALF_0-0-512-512.jpg"])

    assert source.call(settle_minutes=5).decided is Decided.SETTLING


def test_a_source_that_changes_while_it_is_listed_waits(source, monkeypatch):
    pair = survey.paired_source

    def changed_meanwhile(*arguments, **options):
        source.add_tiles(1)
        return pair(*arguments, **options)

    monkeypatch.setattr(looking, "paired_source", changed_meanwhile)

    answer = source.call()

    assert (answer.decided, answer.why) == (Decided.SETTLING, ("it changed while it was listed",))
    assert source.server.runs == {}


@pytest.mark.parametrize("settings", [{}, {"settle_minutes": 10}, {"min_new_tiles": 1000}, {"max_age_days": 1}])
def test_a_dry_run_writes_nothing_and_starts_nothing(settings, answered):
    answered.add_tiles(1)
    before, num_requests = answered.written(), len(answered.server.requests)

    answer = answered.call(is_dry=True, **settings)

    expected = {"settle_minutes": Decided.SETTLING, "min_new_tiles": Decided.NOT_ENOUGH}
    assert answer.decided is expected.get(next(iter(settings), ""), Decided.WOULD_START)
    assert answered.written() == before
    assert len(answered.server.requests) == num_requests


def test_a_dry_run_tells_what_is_written_down(source):
    source.call()
    dry = source.call(is_dry=True)
    assert (dry.decided, dry.run_id) == (Decided.RUNNING, "run-1")
    source.end_run()
    dry = source.call(is_dry=True)
    assert (dry.decided, dry.run_id) == (Decided.ANSWERED, "run-1")


def test_a_source_that_is_not_fit_to_train_on_is_refused_and_nothing_is_started(source):
    for path in source.source.glob("train/images/nir/*"):
        path.unlink()

    with pytest.raises(DataError, match="more than ingest_max_bad_fraction"):
        source.call()

    assert source.server.runs == {}


def test_what_was_seen_is_only_a_memory(answered):
    uri = sighting_uri(f"{answered.root}/data", str(answered.source))
    for damaged in (b"", b"{", storage.read_bytes(uri).replace(b'"num_files"', b'"num_fires"')):
        storage.write_bytes(uri, damaged)
        assert answered.call().decided is Decided.ANSWERED


def test_many_calls_at_once_start_one_run(source):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(source.call())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 6
    assert len([run for run in source.server.runs.values() if run.state is RunState.LIVE]) == 1
