"""Submits the compiled pipeline to Kubeflow Pipelines: upload as a version, start a run, wait, print links."""

import contextlib
import dataclasses
import hashlib
import io
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import kfp

from components.errors import AgrivisionError, SettingsError
from pipeline.compile import COMPILED
from pipeline.display import STEPS
from pipeline.parameters import Parameters

PIPELINE_NAME = "agrivision-training"
_ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


def version_name() -> str:
    """Returns the name of the compiled pipeline's version: a hash of its bytes, so that equal pipelines are one."""
    return f"sha-{hashlib.sha256(COMPILED.read_bytes()).hexdigest()[:12]}"


def upload(client: Any) -> tuple[str, str]:
    """Uploads the committed YAML unless this version is there already; returns (pipeline id, version id)."""
    name = version_name()
    pipeline_id = client.get_pipeline_id(PIPELINE_NAME)
    if pipeline_id is None:
        pipeline_id = client.upload_pipeline(str(COMPILED), pipeline_name=PIPELINE_NAME).pipeline_id
    token = ""
    while True:
        page = client.list_pipeline_versions(pipeline_id, page_token=token, page_size=100)
        for version in page.pipeline_versions or ():
            if version.display_name == name:
                return pipeline_id, version.pipeline_version_id
        token = page.next_page_token or ""
        if not token:
            break
    version = client.upload_pipeline_version(str(COMPILED), pipeline_version_name=name, pipeline_id=pipeline_id)
    return pipeline_id, version.pipeline_version_id


def submit_and_wait(
    parameters: Parameters, *, host: str, experiment: str, timeout_minutes: int, echo: Callable[[str], None]
) -> None:
    """Starts a run and waits for its end.

    Raises:
      SettingsError: if no Kubeflow Pipelines answers at `host`.
      AgrivisionError: if the run does not succeed, or not in time.
    """
    with _quiet():
        client = _connect(host)
        pipeline_id, version_id = upload(client)
        experiment_id = client.create_experiment(experiment).experiment_id
        run = client.run_pipeline(
            experiment_id,
            f"{PIPELINE_NAME} {version_name()} {time.strftime('%Y-%m-%d %H:%M:%S')}",
            params=dataclasses.asdict(parameters),
            pipeline_id=pipeline_id,
            version_id=version_id,
        )
    base = host.rstrip("/")
    echo(f"pipeline  {base}/#/pipelines/details/{pipeline_id}/version/{version_id}")
    echo(f"run       {base}/#/runs/details/{run.run_id}")
    if timeout_minutes:
        _wait(client, run.run_id, timeout_minutes, echo)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the client's own links and its warning about servers of 2022 off the terminal."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _connect(host: str) -> Any:
    try:
        client = kfp.Client(host=host)
        client.get_kfp_healthz()
    except Exception as error:  # the client lets urllib3's, requests' and its own errors through
        raise SettingsError(f"no Kubeflow Pipelines answers at {host!r}: {' '.join(str(error).split())}") from error
    return client


def _wait(client: Any, run_id: str, timeout_minutes: int, echo: Callable[[str], None]) -> None:
    until = time.monotonic() + 60 * timeout_minutes
    shown: dict[str, str] = {}
    began = time.monotonic()
    while True:
        run = client.get_run(run_id)
        tasks = run.run_details.task_details if run.run_details else None
        for task in tasks or ():
            # Beside our steps there are Kubeflow's own: drivers, iterations, pods.
            if task.display_name in STEPS and task.state and shown.get(task.task_id) != task.state:
                shown[task.task_id] = task.state
                echo(f"[{time.monotonic() - began:6.0f} s] {task.display_name:<9} {task.state.lower()}")
        if run.state in _ENDED:
            break
        if time.monotonic() > until:
            raise AgrivisionError(f"run {run_id} is still {run.state} after {timeout_minutes} minutes")
        time.sleep(5)
    if run.state != "SUCCEEDED":
        raise AgrivisionError(f"run {run_id} ended as {run.state}; the failed step's log says why")
    echo("run SUCCEEDED")
