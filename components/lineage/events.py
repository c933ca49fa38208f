"""The steps that led to a version as OpenLineage events: START and COMPLETE, or FAIL, with what went in and came out.

Whatever sends them again sends the same: the id of a step's run follows from version and step. Where no record of the
run is kept, the only time known is that of the push.
"""

import dataclasses
import os
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    JobFacet,
    RunFacet,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    error_message_run,
    parent_run,
    schema_dataset,
    source_code_location_job,
)

from components import storage
from components.contracts import Manifest
from components.dataset.kept_documents import kept_path
from components.lineage.ancestors import Ancestors
from components.registry.layout import version_uri

_PRODUCER = "urn:agrivision-kfp"
_NAMESPACE = "agrivision-kfp"
_PIPELINE = "agrivision-training"
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"
_IDS = uuid.UUID("6f2d3f0e-5c1b-5a8e-9d57-3b1c9e1a7d42")  # of our own, for ids that follow from names


@attr.define
class HashDatasetFacet(DatasetFacet):
    """Our own facet, `agrivision_hash`: what names the content, and where it lies.

    Attributes:
      sha256: Of the document, or for a source its fingerprint: of every file's path, size and version.
      uri: Where it lies; empty if that is unknown.
    """

    sha256: str = attr.field(default="")
    uri: str = attr.field(default="")


@dataclasses.dataclass(frozen=True)
class _Thing:
    """What a step takes or makes; `manifest` is a dataset's."""

    uri: str
    sha256: str
    manifest: Manifest | None = None


@dataclasses.dataclass(frozen=True)
class _Step:
    name: str
    inputs: tuple[_Thing | None, ...]
    outputs: tuple[_Thing | None, ...]
    commit: str = ""


def events_of(found: Ancestors) -> Iterator[RunEvent]:
    """Yields the events of a version's steps, in the order of the pipeline."""
    set_producer(_PRODUCER)
    steps = found.run.get("steps")
    states: Mapping[str, Any] = steps if isinstance(steps, dict) else {}
    pushed_at = found.card.lineage.pushed_at if found.card.lineage else _UNKNOWN_TIME
    started, ended = (_time(found.run.get(name), pushed_at) for name in ("started", "ended"))
    for step in _steps(found):
        state = states.get(step.name)
        is_failed = isinstance(state, dict) and state.get("state") == "failed"
        last = RunState.FAIL if is_failed else RunState.COMPLETE
        for kind, at in ((RunState.START, started), (last, ended)):
            facets: dict[str, RunFacet] = {"parent": _parent(found)}
            if kind is RunState.FAIL:
                message = str(found.run.get("reason") or "the step failed")
                facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "Python")
            yield RunEvent(
                eventType=kind,
                eventTime=at,
                run=Run(_id(found, step.name), facets),
                job=Job(_NAMESPACE, f"{_PIPELINE}.{step.name}", _job_facets(step)),
                inputs=[_input(each) for each in step.inputs if each],
                outputs=[_output(each) for each in step.outputs if each and kind is not RunState.FAIL],
                producer=_PRODUCER,
            )


def _steps(found: Ancestors) -> Iterator[_Step]:
    card, of, inventory, origin = found.card, found.card.lineage, found.inventory, found.origin

    def under(path: str, sha256: str, manifest: Manifest | None = None) -> _Thing | None:
        return _Thing(storage.join(found.data_root, path), sha256, manifest) if found.data_root else None

    source = _Thing(inventory.source_uri, inventory.fingerprint) if inventory else None
    listing = under(kept_path(origin.inventory_sha256), origin.inventory_sha256) if origin else None
    folder = found.dataset_folder
    dataset = under(f"{folder}/manifest.json", card.manifest_sha256, found.manifest)
    receipt = found.receipt
    model = under(receipt.model_path, of.receipt_sha256 if of else "") if receipt else None
    evaluation = under(kept_path(of.evaluation_sha256), of.evaluation_sha256) if found.evaluation and of else None
    version = _Thing(version_uri(found.models_uri, card.version), found.card_sha256)
    data_commit = origin.commit if origin else ""
    if inventory:
        yield _Step("ingest", (source,), (listing,), data_commit)
        yield _Step("shard", (source, listing), (under("shards", ""),), data_commit)
        yield _Step("merge", (listing, under("shards", "")), (dataset,), data_commit)
    yield _Step("train", (dataset,), (model,), of.training_commit if of else "")
    yield _Step("evaluate", (dataset, model), (evaluation,), of.commit if of else "")
    yield _Step("push", (model, evaluation), (version,), of.commit if of else "")


def _id(found: Ancestors, step: str) -> str:
    return str(uuid.uuid5(_IDS, f"{found.card.version}/{found.card_sha256}/{step}"))


def _parent(found: Ancestors) -> RunFacet:
    run = parent_run.Run(_id(found, "run"))
    return parent_run.ParentRunFacet(run, parent_run.Job(_NAMESPACE, _PIPELINE))


def _job_facets(step: _Step) -> dict[str, JobFacet]:
    if not step.commit:
        return {}
    url = f"{_PRODUCER}:{step.commit}"
    return {
        "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet("git", url, version=step.commit),
    }


def _input(thing: _Thing) -> InputDataset:
    metrics: dict[str, InputDatasetFacet] = {}
    if thing.manifest:
        metrics["dataQualityMetrics"] = _quality(thing.manifest)
    return InputDataset(*_name(thing.uri), facets=_facets(thing), inputFacets=metrics)


def _output(thing: _Thing) -> OutputDataset:
    return OutputDataset(*_name(thing.uri), facets=_facets(thing))


def _facets(thing: _Thing) -> dict[str, DatasetFacet]:
    facets: dict[str, DatasetFacet] = {}
    if thing.sha256:
        facets["agrivision_hash"] = HashDatasetFacet(sha256=thing.sha256, uri=thing.uri)
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(thing.sha256)
    if thing.manifest:
        columns = [(band, "uint8 image") for band in thing.manifest.bands]
        columns += [(name, "boolean") for name in thing.manifest.classes]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            [schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in columns]
        )
    return facets


def _quality(manifest: Manifest) -> data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet:
    """Returns the tiles, shards and bytes of a dataset, and by class the tiles that have it."""
    quality = data_quality_metrics_input_dataset
    summaries = manifest.splits.values()
    return quality.DataQualityMetricsInputDatasetFacet(
        columnMetrics={
            name: quality.ColumnMetrics(count=float(sum(summary.class_tiles[number] for summary in summaries)))
            for number, name in enumerate(manifest.classes)
        },
        rowCount=manifest.num_tiles,
        bytes=sum(shard.num_bytes for summary in summaries for shard in summary.shards),
        fileCount=manifest.num_shards,
    )


def _name(uri: str) -> tuple[str, str]:
    """Returns namespace and name, as OpenLineage names files and objects."""
    if not storage.is_remote(uri):
        return "file", os.path.abspath(uri)
    parts = urllib.parse.urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/") or "/"


def _time(value: Any, otherwise: str) -> str:
    return value if isinstance(value, str) and len(value) == len(_UNKNOWN_TIME) and value.endswith("Z") else otherwise
