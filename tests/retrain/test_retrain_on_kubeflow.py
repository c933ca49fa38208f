"""Twenty orders of events on a real Kubeflow Pipelines; each run is terminated as soon as it is counted."""

import hashlib
import os
import random
import threading
import time
import uuid

import pytest
from retrain_world import change

from components import environment
from components.errors import UnreachableError
from components.retrying import NoAnswer
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.package import make_package
from pipeline.kubeflow.submit import prepare
from pipeline.parameters import Parameters
from pipeline.retrain import starting
from pipeline.retrain.change import Stand, Standing
from pipeline.retrain.clock import SystemClock
from pipeline.retrain.kubeflow_runs import KubeflowRuns
from pipeline.retrain.next_step import RetryRule
from pipeline.retrain.starting import OneRun
from pipeline.retrain.triggers import read_trigger

pytestmark = [
    pytest.mark.kfp,
    pytest.mark.slow,
    pytest.mark.skipif("KFP_ENDPOINT" not in os.environ, reason="needs Kubeflow Pipelines (KFP_ENDPOINT)"),
]
RULE = RetryRule(max_attempts=2, pause_minutes=1440)  # the runs fail, as there is no such source; once is enough
CLAIM_SECONDS, SEND_SECONDS, LOOK_SECONDS = 40, 20, 10  # an expired claim is waited for
PLACES = {"source_uri": "gs://none/tiles", "data_root": "gs://none/data", "models_uri": "gs://none/models"}


class Death(BaseException):
    """The process of a call ends where it is."""


class FaultyRuns(KubeflowRuns):
    """Loses some answers, and some calls die with them."""

    def __init__(self, kubeflow, order, chance):
        super().__init__(lambda: kubeflow, lambda *_: order)
        self._chance = chance

    def find(self, name):
        if self._chance.random() < 0.1:
            raise Death
        return super().find(name)

    def create(self, name):
        event = self._chance.choice(["", "", "death before", "death after", "lost before", "lost after"])
        if event.endswith("before"):
            raise Death if event.startswith("death") else NoAnswer("lost, and nothing was done")
        run_id = super().create(name)
        if event.endswith("after"):
            raise Death if event.startswith("death") else NoAnswer("lost, but it was done")
        return run_id


@pytest.fixture(scope="module")
def kubeflow():
    return Kubeflow(environment.kfp_endpoint(), environment.kfp_token())


@pytest.fixture(scope="module")
def order(kubeflow):
    return prepare(kubeflow, make_package(False, environment.container_image()), Parameters(**PLACES), "", "tests")


@pytest.mark.parametrize("seed", range(20))
def test_one_run_per_change_on_a_real_kubeflow(seed, kubeflow, order, tmp_path, monkeypatch):
    for name, seconds in (("CLAIM", CLAIM_SECONDS), ("SEND", SEND_SECONDS), ("LOOK", LOOK_SECONDS)):
        monkeypatch.setattr(starting, f"{name}_SECONDS", seconds)
    chance = random.Random(seed)
    key = hashlib.sha256(f"{uuid.uuid4()} {seed}".encode()).hexdigest()
    defects = []

    def call(runs) -> Stand:
        return OneRun(str(tmp_path), change(key), runs, RULE, SystemClock()).ensure()

    def faulty_call(own: random.Random) -> None:
        try:
            time.sleep(own.uniform(0, 3))
            call(FaultyRuns(kubeflow, order, own))
        except (Death, UnreachableError):
            pass
        except BaseException as error:
            defects.append(error)

    callers = [
        threading.Thread(target=faulty_call, args=(random.Random(chance.random()),))
        for _ in range(chance.randint(2, 8))
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert defects == []

    healthy = KubeflowRuns(lambda: kubeflow, lambda *_: order)
    end = time.monotonic() + 3 * CLAIM_SECONDS
    while (stand := call(healthy)).standing is Standing.WAITS and not stand.run_id:
        assert time.monotonic() < end, "the change was lost"
        time.sleep(2)
    trigger, _ = read_trigger(str(tmp_path), key)
    runs = healthy.find(trigger.last.run_name)
    for run in runs:
        healthy.terminate(run.run_id)

    assert [run.run_id for run in runs] == [trigger.last.run_id]
    assert len(trigger.attempts) == 1
