"""Runs on Kubeflow Pipelines, found by their names, which Kubeflow itself does not keep unique."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from components.contracts import RunOutcome
from components.errors import SettingsError, UnreachableError
from pipeline.kubeflow.client import PATIENCE_SECONDS, Kubeflow
from pipeline.kubeflow.follow import TIMEOUT, follow
from pipeline.kubeflow.run_status import ENDED
from pipeline.kubeflow.submit import Order, run_page, start
from pipeline.retrain.runs import RunEnding, RunState, SeenRun

_PAGE_SIZE = 100
_MOST_PAGES = 10  # of runs of one name, of which there should be one
_TERMINATE_SECONDS = 30
_SUCCEEDED = "SUCCEEDED"


class KubeflowRuns:
    """See Runs.

    Args:
      connect: Returns the server; called when it is first needed.
      order: Uploads what a run on a source of a fingerprint needs, and returns what to start.
    """

    def __init__(self, connect: Callable[[], Kubeflow], order: Callable[[Kubeflow, str], Order]) -> None:
        self._connect, self._make_order = connect, order
        self._kubeflow: Kubeflow | None = None
        self._order: Order | None = None

    @property
    def kubeflow(self) -> Kubeflow:
        """The server.

        Raises:
          UnreachableError: if it does not answer; the same call may succeed later.
          SettingsError: if the connection is refused for another reason.
        """
        if self._kubeflow is None:
            try:
                self._kubeflow = self._connect()
            except SettingsError as error:
                if isinstance(error.__cause__, UnreachableError):
                    raise UnreachableError(str(error)) from error
                raise
        return self._kubeflow

    def prepare(self, fingerprint: str) -> None:
        """See Runs."""
        if self._order is None:
            self._order = self._make_order(self.kubeflow, fingerprint)

    def find(self, name: str) -> list[SeenRun]:
        """See Runs."""
        # The server's database may take "A" for "a".
        return [
            SeenRun(run.run_id, run.created_at.timestamp() if run.created_at else 0.0, _state(run.state))
            for run in self._listed(name)
            if run.display_name == name
        ]

    def _listed(self, name: str) -> Iterator[Any]:
        options: dict[str, Any] = {"filter": _named(name), "page_size": _PAGE_SIZE}
        if self.kubeflow.namespace:
            options["namespace"] = self.kubeflow.namespace
        for _ in range(_MOST_PAGES):
            answer = self.kubeflow.call(lambda client: client.runs.run_service_list_runs(**options), PATIENCE_SECONDS)
            yield from answer.runs or ()
            if not answer.next_page_token:
                return
            options["page_token"] = answer.next_page_token

    def create(self, name: str) -> str:
        """See Runs."""
        assert self._order is not None  # it was prepared
        run_id, _ = start(self.kubeflow, self._order, name=name)
        return run_id

    def terminate(self, run_id: str) -> None:
        """See Runs."""
        try:
            self.kubeflow.call(lambda client: client.runs.run_service_terminate_run(run_id), _TERMINATE_SECONDS)
        except SettingsError:
            # Kubeflow refuses to end a run that has ended, in words of its database.
            if self.ending(run_id) is None:
                raise

    def ending(self, run_id: str) -> RunEnding | None:
        """See Runs."""
        result = follow(self.kubeflow, run_id, 0.0, _say_nothing)
        if result.outcome == TIMEOUT:
            return None
        return RunEnding(RunOutcome(result.outcome), result.message)

    def page(self, run_id: str) -> str:
        """See Runs. Empty for a server that nothing had to be asked of: to tell an address is no reason to connect."""
        return run_page(self._kubeflow, run_id) if run_id and self._kubeflow is not None else ""


def _state(state: str | None) -> RunState:
    if state == _SUCCEEDED:
        return RunState.SUCCEEDED
    return RunState.FAILED if state in ENDED else RunState.LIVE


def _named(name: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _say_nothing(_: str) -> None:
    pass
