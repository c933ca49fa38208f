"""What runs the pipeline, in memory, and a clock that only moves when it is told to."""

import datetime
from types import SimpleNamespace

from components.contracts import RunOutcome
from pipeline.retrain.runs import RunEnding, RunState, SeenRun


class Clock:
    def __init__(self):
        self.passed = 0.0

    def now(self):
        return datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC) + datetime.timedelta(seconds=self.passed)

    def seconds(self):
        return self.passed

    def sleep(self, seconds):
        self.passed += seconds


class Server:
    """Runs in memory; each of `events` happens at the next request of its kind."""

    def __init__(self, clock):
        self.clock, self.runs, self.events, self.requests, self.ended = clock, {}, {}, [], []

    def _request(self, kind):
        self.requests.append(kind)
        if event := self.events.pop(kind, None):
            event()

    def prepare(self, fingerprint):
        self._request("prepare")

    def find(self, name):
        self._request("find")
        return [SeenRun(run.run_id, run.at, run.state) for run in self.runs.values() if run.name == name]

    def create(self, name):
        self._request("create")
        return self.add(name)

    def add(self, name, state=RunState.LIVE):
        run_id = f"run-{len(self.runs) + 1}"
        self.runs[run_id] = SimpleNamespace(run_id=run_id, name=name, at=self.clock.passed, state=state)
        return run_id

    def terminate(self, run_id):
        self._request("terminate")
        self.ended.append(run_id)
        self.runs[run_id].state = RunState.FAILED

    def ending(self, run_id):
        good = self.runs[run_id].state is RunState.SUCCEEDED
        return RunEnding(RunOutcome.REFUSED if good else RunOutcome.FAILED, "as it is")

    def page(self, run_id):
        return f"http://kfp/{run_id}"
