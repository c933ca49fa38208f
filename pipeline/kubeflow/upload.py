"""What a run needs on Kubeflow Pipelines: the compiled pipeline as a version, and an experiment, each only once."""

import json
import tempfile
from pathlib import Path
from typing import Any

from kfp_server_api import V2beta1Experiment, V2beta1Pipeline

from components.errors import SettingsError, UnreachableError
from pipeline.kubeflow.client import PATIENCE_SECONDS, ConflictError, Kubeflow
from pipeline.kubeflow.package import PIPELINE_NAME, Package


def upload_pipeline(kubeflow: Kubeflow, package: Package) -> tuple[str, str]:
    """Uploads a package unless its version exists already; returns (pipeline id, version id).

    Raises:
      SettingsError: if a version of this name exists with another content.
    """
    pipeline_id = find_pipeline(kubeflow, package.name) or _make_pipeline(kubeflow, package)
    version = _find_version(kubeflow, pipeline_id, package.version)
    if version is None:
        version = _upload_version(kubeflow, pipeline_id, package)
    # The API merges the documents of a version.
    spec, *platform = package.documents
    if version.pipeline_spec != ({"pipeline_spec": spec, "platform_spec": platform[0]} if platform else spec):
        raise SettingsError(
            f"version {package.version!r} of {package.name} at {kubeflow.url} is not the pipeline compiled here; "
            "give another --version, or none"
        )
    return pipeline_id, version.pipeline_version_id


def _upload_version(kubeflow: Kubeflow, pipeline_id: str, package: Package) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{package.name}.yaml"
        path.write_text(package.text)
        try:
            return kubeflow.call(
                lambda client: client.pipeline_uploads.upload_pipeline_version(
                    str(path), name=package.version, pipelineid=pipeline_id, description=package.description
                )
            )
        except (ConflictError, UnreachableError):
            # Somebody else was faster, or the answer was lost.
            if (version := _find_version(kubeflow, pipeline_id, package.version)) is None:
                raise
            return version


def find_pipeline(kubeflow: Kubeflow, name: str = PIPELINE_NAME) -> str | None:
    """Returns the id of our pipeline of a name; None if it was never uploaded."""
    found = kubeflow.call(
        lambda client: client.pipelines.pipeline_service_list_pipelines(filter=_named(name), **_in_namespace(kubeflow)),
        PATIENCE_SECONDS,
    ).pipelines
    return found[0].pipeline_id if found else None


def _make_pipeline(kubeflow: Kubeflow, package: Package) -> str:
    """Creates the pipeline without a version; uploading it would add a version named like the pipeline."""
    new = V2beta1Pipeline(
        name=package.name, display_name=package.name, description=package.description, **_in_namespace(kubeflow)
    )
    try:
        made = kubeflow.call(lambda client: client.pipelines.pipeline_service_create_pipeline(new))
        return str(made.pipeline_id)
    except (ConflictError, UnreachableError):
        if (found := find_pipeline(kubeflow, package.name)) is None:
            raise
        return found


def _find_version(kubeflow: Kubeflow, pipeline_id: str, name: str) -> Any:
    versions = kubeflow.call(
        lambda client: client.pipelines.pipeline_service_list_pipeline_versions(pipeline_id, filter=_named(name)),
        PATIENCE_SECONDS,
    ).pipeline_versions
    return versions[0] if versions else None


def find_experiment(kubeflow: Kubeflow, name: str) -> str:
    """Returns the id of the experiment of this name, which is made if there is none."""
    if (found := _experiment(kubeflow, name)) is not None:
        return found
    try:
        made = kubeflow.call(
            lambda client: client.experiments.experiment_service_create_experiment(
                V2beta1Experiment(display_name=name, namespace=user_namespace(kubeflow, client))
            )
        )
        return str(made.experiment_id)
    except (ConflictError, UnreachableError):
        if (found := _experiment(kubeflow, name)) is None:
            raise
        return found


def _experiment(kubeflow: Kubeflow, name: str) -> str | None:
    found = kubeflow.call(
        lambda client: client.experiments.experiment_service_list_experiments(
            filter=_named(name), namespace=user_namespace(kubeflow, client)
        ),
        PATIENCE_SECONDS,
    ).experiments
    return found[0].experiment_id if found else None


def user_namespace(kubeflow: Kubeflow, client: Any) -> str:
    """Returns the namespace that lists are asked for; empty where the server has one user."""
    return kubeflow.namespace or str(client.get_user_namespace())


def _named(name: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _in_namespace(kubeflow: Kubeflow) -> dict[str, str]:
    return {"namespace": kubeflow.namespace} if kubeflow.namespace else {}
