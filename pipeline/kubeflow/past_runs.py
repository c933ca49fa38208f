"""The runs of our pipeline that Kubeflow knows, newest first, and the version that each of them ran."""

import datetime
import functools
from collections.abc import Iterator
from typing import Any

from components.errors import SettingsError, UnreachableError
from pipeline.kubeflow.client import PATIENCE_SECONDS, Kubeflow
from pipeline.kubeflow.package import images_of
from pipeline.kubeflow.upload import find_pipeline, user_namespace

_PAGE_SIZE = 50  # runs of a page, whose parameters have some 5 kB each
_MOST_PAGES = 10_000


def past_runs(kubeflow: Kubeflow, since: datetime.datetime) -> Iterator[Any]:
    """Yields the runs of our pipeline that were made since then, as V2beta1Run, newest first and page by page.

    A run that somebody started on the page has any name: what counts is which pipeline it runs.

    Raises:
      SettingsError: if the API refuses the list.
      UnreachableError: if it does not answer.
    """
    if (pipeline_id := find_pipeline(kubeflow)) is None:
        return
    token, seen = "", set[str]()
    for _ in range(_MOST_PAGES):
        page = kubeflow.call(functools.partial(_page, kubeflow, token), PATIENCE_SECONDS)
        for run in page.runs or ():
            if run.created_at and run.created_at < since:
                return
            # A run may begin while pages are read, and push another one to the next page.
            if _pipeline_of(run) == pipeline_id and run.run_id not in seen:
                yield run
            seen.add(run.run_id)
        if not page.next_page_token or page.next_page_token == token:
            return
        token = page.next_page_token
        seen = {run.run_id for run in page.runs or ()}  # enough, and bounded
    raise UnreachableError(f"the list of runs at {kubeflow.url} has no end after {_MOST_PAGES:,} pages; try again")


def _page(kubeflow: Kubeflow, token: str, client: Any) -> Any:
    return client.runs.run_service_list_runs(
        page_token=token,
        page_size=_PAGE_SIZE,
        sort_by="created_at desc",
        namespace=user_namespace(kubeflow, client),
    )


def _pipeline_of(run: Any) -> str:
    reference = run.pipeline_version_reference
    return (reference.pipeline_id or "") if reference else ""


def find_run(kubeflow: Kubeflow, run_id: str) -> Any | None:
    """Returns a run with its tasks, as V2beta1Run; None if the server does not know it, or no longer.

    Raises:
      SettingsError: if the API refuses the request for another reason.
      UnreachableError: if it does not answer.
    """
    try:
        return kubeflow.call(lambda client: client.runs.run_service_get_run(run_id), PATIENCE_SECONDS)
    except SettingsError as error:
        if str(error).startswith("404 "):
            return None
        raise


class Versions:
    """The versions of the pipeline that runs have run, each asked for once."""

    def __init__(self, kubeflow: Kubeflow) -> None:
        self._find = functools.lru_cache(maxsize=16)(functools.partial(_version, kubeflow))

    def of(self, run: Any) -> tuple[str, dict[str, str]]:
        """Returns the name of a run's version and the image of each of its steps; empty if it is no longer there.

        Raises:
          UnreachableError: if the API does not answer.
        """
        reference = run.pipeline_version_reference
        if not reference or not reference.pipeline_id or not reference.pipeline_version_id:
            return "", {}
        return self._find(reference.pipeline_id, reference.pipeline_version_id)


def _version(kubeflow: Kubeflow, pipeline_id: str, version_id: str) -> tuple[str, dict[str, str]]:
    try:
        found = kubeflow.call(
            lambda client: client.pipelines.pipeline_service_get_pipeline_version(pipeline_id, version_id),
            PATIENCE_SECONDS,
        )
    except SettingsError:  # it was deleted
        return "", {}
    spec = found.pipeline_spec or {}
    try:
        return found.display_name or "", images_of(spec.get("pipeline_spec", spec))
    except (KeyError, TypeError, AttributeError):
        return found.display_name or "", {}
