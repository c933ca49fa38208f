"""A world of retrain calls: storage, Kubeflow and time are simulated, the code is real, and a seed decides everything.

Each call is a thread, and only one of them runs at a time: at every request to storage or Kubeflow, and whenever it
waits, a call gives way, and the seed says which one goes on. At each of these places a call can die, before what it
asks for is done or after; it can be stopped for a while; and the answer can be lost.
"""

import contextlib
import dataclasses
import datetime
import json
import random
import threading
from types import SimpleNamespace
from typing import Any

from kfp_server_api import V2beta1ListRunsResponse

from components import storage
from components.errors import AgrivisionError, SettingsError, UnreachableError
from components.retrying import NoAnswer
from pipeline.kubeflow.submit import Order
from pipeline.retrain.change import Change
from pipeline.retrain.kubeflow_runs import KubeflowRuns
from pipeline.retrain.next_step import RetryRule
from pipeline.retrain.starting import OneRun

START = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
ROOT = "gs://b/data"
KEY = "c" * 64
STEPS = ("ingest", "shard", "merge", "train", "evaluate", "gate")


class Death(BaseException):
    """The process of a call ends where it is."""


@dataclasses.dataclass
class Faults:
    """How likely each fault is, at each request.

    Attributes:
      longest_pause: Seconds for which a call may be stopped.
      latest: Seconds after which a run shows up, whose start was not answered.
    """

    death: float = 0.0
    lost: float = 0.0
    refused: float = 0.0
    pause: float = 0.0
    longest_pause: float = 0.0
    latest: float = 0.0


@dataclasses.dataclass
class Run:
    """A run on the simulated server; times are seconds from START."""

    run_id: str
    name: str
    created: float
    ends: float
    end_state: str
    terminated: float | None = None

    def state(self, now: float) -> str:
        if now >= (self.ends if self.terminated is None else min(self.ends, self.terminated)):
            return "FAILED" if self.terminated is not None and self.terminated < self.ends else self.end_state
        return "RUNNING"


class Call:
    """One call, in a thread of its own."""

    def __init__(self, world: "World", start: float, faults: Faults, work) -> None:
        self.world, self.wake, self.faults, self.work = world, start, faults, work
        self.turn, self.is_over, self.result = threading.Semaphore(0), False, None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.turn.acquire()
        try:
            self.result = self.work(self)
        except Death:
            self.result = "died"
        except AgrivisionError as error:
            self.result = error
        except BaseException as error:  # a defect, which the test must see
            self.world.defects.append(error)
        self.is_over = True
        self.world.back.release()

    def give_way(self, seconds: float) -> None:
        self.wake = self.world.now + seconds
        self.world.back.release()
        self.turn.acquire()


class World:
    """Storage, Kubeflow and the time; runs calls until all are over.

    Attributes:
      now: Seconds since START.
      most_live: The most runs that were alive at once; `most_done` the most that had succeeded.
    """

    def __init__(self, seed: int, run_seconds: tuple[float, float] = (1_800, 7_200), failing: float = 0.25) -> None:
        self.random = random.Random(seed)
        self.now, self.documents, self.generation = 0.0, {}, 0
        self.runs: list[Run] = []
        self.arrivals: list[Run] = []
        self.back, self.current, self.defects = threading.Semaphore(0), None, []
        self.most_live = self.most_done = 0
        self._run_seconds, self._failing = run_seconds, failing
        self.num_deaths = self.num_lost = 0

    def run(self, calls: list[Call]) -> None:
        for call in calls:
            call.thread.start()
        while waiting := [call for call in calls if not call.is_over]:
            first = min(call.wake for call in waiting)
            self.now = max(self.now, first)
            ready = [call for call in waiting if call.wake <= self.now]
            self.current = self.random.choice(ready)
            self._arrive()
            self.current.turn.release()
            self.back.acquire()
            self._count()
        if self.defects:
            raise self.defects[0]

    def _arrive(self) -> None:
        self.runs += [run for run in self.arrivals if run.created <= self.now]
        self.arrivals = [run for run in self.arrivals if run.created > self.now]

    def _count(self) -> None:
        states = [run.state(self.now) for run in self.runs]
        self.most_live = max(self.most_live, states.count("RUNNING"))
        self.most_done = max(self.most_done, states.count("SUCCEEDED"))

    def live_or_done(self) -> list[Run]:
        self._arrive()
        return [run for run in self.runs if run.state(self.now) in ("RUNNING", "SUCCEEDED")]

    def request(self, do, can_lose: bool = True) -> Any:
        """Does what a call asks for, or not, and answers, or not."""
        call, chance = self.current, self.random.random
        faults = call.faults
        if chance() < faults.pause:
            call.give_way(self.random.uniform(0, faults.longest_pause))
        call.give_way(self.random.uniform(0.01, 2))
        if chance() < faults.death:
            self.num_deaths += 1
            raise Death
        if can_lose and chance() < faults.lost / 2:
            raise NoAnswer("no answer, and nothing was done")
        answer = do()
        if chance() < faults.death:
            self.num_deaths += 1
            raise Death
        if can_lose and chance() < faults.lost / 2:
            self.num_lost += 1
            raise NoAnswer("no answer, but it was done")
        call.give_way(self.random.uniform(0.01, 2))
        return answer

    # Storage, as components.storage has it.

    Conflict = storage.Conflict
    join = staticmethod(storage.join)

    def read_pointer(self, uri: str):
        return self.request(lambda: self.documents.get(uri, (None, None)))

    def compare_and_swap(self, uri: str, token, content: bytes) -> None:
        def swap() -> bool:
            if self.documents.get(uri, (None, None))[1] != token:
                return False
            self.generation += 1
            self.documents[uri] = (content, str(self.generation))
            return True

        if not self.request(swap):
            raise storage.Conflict(uri)

    # The clock, as pipeline.retrain.clock has it.

    def clock(self, call: Call) -> Any:
        return SimpleNamespace(
            now=lambda: START + datetime.timedelta(seconds=self.now),
            seconds=lambda: self.now,
            sleep=call.give_way,
        )

    # Kubeflow, as pipeline.kubeflow.client has it.

    def kubeflow(self, call: Call) -> Any:
        runs = SimpleNamespace(
            run_service_list_runs=lambda **options: self.request(lambda: self._list(**options)),
            run_service_create_run=lambda run: self._create(run, call.faults),
            run_service_terminate_run=lambda run_id: self.request(lambda: self._terminate(run_id)),
            run_service_get_run=lambda run_id: self.request(lambda: self._get(run_id)),
        )

        def get(*_: object, **__: object) -> bytes:
            raise UnreachableError("there are no pods here")

        def ask(request, patience_seconds: float = 0) -> Any:
            for left in reversed(range(4 if patience_seconds else 1)):
                with contextlib.suppress(NoAnswer) if left else contextlib.nullcontext():
                    return request(SimpleNamespace(runs=runs))
            raise AssertionError("unreachable")

        return SimpleNamespace(url="http://kfp", namespace="", call=ask, get=get)

    def _list(self, **options: Any) -> V2beta1ListRunsResponse:
        self._arrive()
        name = json.loads(options["filter"])["predicates"][0]["stringValue"]
        return V2beta1ListRunsResponse(runs=[self._shown(run) for run in self.runs if run.name.lower() == name.lower()])

    def _shown(self, run: Run) -> Any:
        at = START + datetime.timedelta(seconds=run.created)
        state = run.state(self.now)
        history = [SimpleNamespace(state="CANCELING")] if run.terminated is not None else []
        done = START + datetime.timedelta(seconds=self.now)
        tasks = [SimpleNamespace(display_name=step, state="SUCCEEDED", start_time=at, end_time=done) for step in STEPS]
        details = SimpleNamespace(task_details=tasks if state == "SUCCEEDED" else [])
        shown = {"run_id": run.run_id, "display_name": run.name, "created_at": at, "state": state}
        return SimpleNamespace(**shown, state_history=history, run_details=details)

    def _create(self, given: Any, faults: Faults) -> Any:
        if self.random.random() < faults.refused:
            return self.request(self._refuse)
        late = self.random.random() < faults.lost and faults.latest
        delay = self.random.uniform(0, faults.latest) if late else 0.0

        def create() -> Any:
            seconds = self.random.uniform(*self._run_seconds)
            created = self.now + delay
            state = "FAILED" if self.random.random() < self._failing else "SUCCEEDED"
            number = len(self.runs) + len(self.arrivals) + 1
            run = Run(f"run-{number}", given.display_name, created, created + seconds, state)
            (self.arrivals if delay else self.runs).append(run)
            return run

        run = self.request(create)
        if late:
            self.num_lost += 1
            raise NoAnswer("no answer, and the run comes later")
        return self._shown(run)

    def _refuse(self) -> None:
        raise SettingsError("400 this pipeline is not allowed")

    def _terminate(self, run_id: str) -> None:
        run = next(run for run in self.runs if run.run_id == run_id)
        if run.state(self.now) == "RUNNING":
            run.terminated = self.now

    def _get(self, run_id: str) -> Any:
        return self._shown(next(run for run in self.runs if run.run_id == run_id))


def change(key: str = KEY, reasons: tuple[str, ...] = ("3 new tiles",)) -> Change:
    """Returns a change of a source, as retrain makes one."""
    return Change(key, "gs://b/tiles", "f" * 64, "agrivision-training", "e" * 64, "sha-e", {"a": 1}, 600, reasons)


def retrain_call(world: World, start: float, faults: Faults, rule: RetryRule, key: str = KEY) -> Call:
    """Returns a call that sees to it that a change has a run."""

    def work(call: Call) -> Any:
        runs = KubeflowRuns(lambda: world.kubeflow(call), lambda *_: Order("agrivision-training x", {}))
        return OneRun(ROOT, change(key), runs, rule, world.clock(call)).ensure()

    return Call(world, start, faults, work)
