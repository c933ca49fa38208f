"""A gang of worker pods on a cluster: they start, end and restart together.

Each attempt has its own Job, named after the training plus a number, so a launch that follows a lost one finds the
running pods of its training and takes them over.
"""

import contextlib
import dataclasses
import hashlib
import secrets
from collections.abc import Callable, Iterator

import msgspec

from components import storage
from components.contracts import Manifest
from components.environment import WorkerSettings
from components.errors import EXIT_DATA, EXIT_SETTINGS, AgrivisionError, DataError, SettingsError
from components.progress import StepLog
from components.train.launch.launch_dir import LaunchDir
from components.train.launch.lease import LostLease, Nowhere, Whereabouts
from components.train.launch.pods import pod_status
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.attempt import Attempt
from components.train.launch.pods.cause_of_end import Ending
from components.train.launch.pods.job import APIS, ATTEMPT, DIGEST, TRAINING, PodGang, digest
from components.train.launch.pods.pod_template import WorkerPod
from components.train.launch.pods.pod_waits import Limits
from components.train.launch.pods.task_config import TaskSettings
from components.train.launch.usage import Usage
from components.train.launch.worker_output import WorkerOutput
from components.train.settings.devices import Devices
from components.train.settings.node_pools import GPU, TPU
from components.train.settings.quantities import in_cores
from components.train.settings.roles import task_name, tasks
from components.train.settings.train_settings import TrainSettings
from components.train.settings.worker_spec import WorkersFailed, WorkerSpec

# A disruption, such as the loss of a spot node, is not a crash, but there must be some limit.
_MOST_DISRUPTIONS = 100


class WorkerPods:
    """Starts workers as pods; see training.Launcher."""

    def __init__(
        self,
        api: Kubernetes,
        task: TaskSettings,
        cluster: WorkerSettings,
        num_workers: int,
        owner: tuple[str, str] | None,
        limits: Limits | None = None,
        whereabouts: Whereabouts | None = None,
        image_id: str = "",
    ) -> None:
        """Starts nothing yet.

        Args:
          api: Client of the Kubernetes API.
          task: The settings of the workers' pods.
          cluster: The administrator's settings, with a namespace and an image.
          num_workers: Number of workers.
          owner: Name and uid of the step's pod, if it is in that namespace.
          limits: How long to wait for pods; None for the defaults.
          whereabouts: Of this launch; None outside a cluster.
          image_id: The workers' image by its digest; empty if it is unknown.
        """
        if cluster.api not in APIS:
            raise SettingsError(f"AGRIVISION_WORKER_API must be one of {', '.join(APIS)}, got {cluster.api!r}")
        self._api, self._task, self._cluster, self._owner = api, task, cluster, owner
        self._limits = limits or Limits()
        self.whereabouts = whereabouts or Nowhere()
        self.profile = task.profile
        pool = task.pool
        self.devices = Devices(
            num_gpus=num_workers * pool.accelerator_count if pool.accelerator_type == GPU else 0,
            has_tpu=pool.accelerator_type == TPU,
        )
        self.num_threads = max(1, int(in_cores(pool.cpu)))
        self.image = image_id or cluster.image

    def num_nodes(self, settings: TrainSettings) -> int:
        """See training.Launcher; each pod has a node of its own, or is charged as if it had."""
        return len(tasks(settings.strategy, settings.num_workers))

    def launch(
        self,
        spec: WorkerSpec,
        directory: LaunchDir,
        log: StepLog,
        check: Callable[[], object],
        usage: Usage | None = None,
    ) -> int:
        """See training.Launcher."""
        usage = usage or Usage()
        spec = self._with_shared_manifest(spec)
        training = self._gang_of(spec)
        num_restarts = num_disruptions = 0
        first = self._find_work(training, log)
        names = tasks(spec.settings.strategy, spec.settings.num_workers)
        max_restarts = spec.settings.max_restarts
        while True:
            number = first + num_restarts + num_disruptions
            spec = msgspec.structs.replace(spec, spent_seconds=usage.pods.paid / len(names))
            attempt = self._prepare(training, spec, number, directory, log)
            attempt.protect()
            with _removed(attempt, log), _counted(attempt, usage):
                attempt.create()
                ending = attempt.wait(check)
                outputs = attempt.keep_logs(directory, [f"{job}-{index}" for job, index in names])
                usage.add(attempt.used(), completed=ending is None)
            if ending is None:
                return num_restarts + num_disruptions
            name = task_name(*names[ending.index])
            what = _describe(ending, name, outputs.get(ending.index, WorkerOutput(is_chief=False)), log)
            if ending.is_disruption:
                num_disruptions += 1
                if num_disruptions > _MOST_DISRUPTIONS:
                    raise WorkersFailed(f"{what}; gave up after {_MOST_DISRUPTIONS} disruptions; run again to continue")
                log.line(f"{what}; starting again from the last checkpoint, which does not count as a restart")
            elif num_restarts == max_restarts:
                raise WorkersFailed(f"{what}; gave up after {max_restarts} restarts; full logs in {directory.uri!r}")
            else:
                num_restarts += 1
                log.line(f"{what}; restart {num_restarts} of {max_restarts}, from the last checkpoint")

    def exposure(self, data_root: str) -> str:
        """See training.Launcher; a network policy of their own keeps strangers from the pods."""
        return ""

    def _with_shared_manifest(self, spec: WorkerSpec) -> WorkerSpec:
        dataset_id = Manifest.read(spec.manifest_uri).dataset_id
        uri = storage.join(spec.data_root, "datasets", dataset_id, "manifest.json")
        if not storage.exists(uri):
            raise DataError(f"no manifest {uri!r}; the dataset was removed, run merge again")
        # Workers may have to wait for their nodes.
        wait = self._limits.scheduled + self._limits.started
        return msgspec.structs.replace(spec, manifest_uri=uri, peer_wait_seconds=wait)

    def _gang_of(self, spec: WorkerSpec) -> PodGang:
        """Returns the part of the gang that all attempts share."""
        place = hashlib.sha256(spec.data_root.encode()).hexdigest()[:6]  # the same training may run in another bucket
        gang = PodGang(
            namespace=self._cluster.namespace,
            training=f"agrivision-{spec.training_id}-{place}",
            attempt=0,
            num_pods=len(tasks(spec.settings.strategy, spec.settings.num_workers)),
            pod=WorkerPod(
                image=self._cluster.image,
                spec_uri="",
                pool=self._task.pool,
                service_account=self._cluster.service_account,
                env=self._task.env,
                volumes=self._task.volumes,
                volume_mounts=self._task.volume_mounts,
            ),
            api=self._cluster.api,
            queue=self._cluster.queue,
            owner=self._owner,
        )
        # Launches of the same training may have different limits on restarts, and other prices.
        settings = dataclasses.replace(spec.settings, max_restarts=0)
        trained = msgspec.structs.replace(spec, settings=settings, paid_seconds=0.0)
        return dataclasses.replace(gang, digest=digest(gang, trained.to_json()))

    def _find_work(self, training: PodGang, log: StepLog) -> int:
        """Returns the number of the first attempt: one that is already running, or a new one.

        Raises:
          SettingsError: If one is running with other pod settings.
        """
        found = self._api.select("job", training.namespace, labelSelector=f"{TRAINING}={training.training}")
        first = 1
        for job in sorted(found, key=lambda job: int(job["metadata"]["labels"][ATTEMPT])):
            gang = dataclasses.replace(training, attempt=int(job["metadata"]["labels"][ATTEMPT]))
            metadata = job["metadata"]
            if "deletionTimestamp" in metadata or pod_status.condition(job, "Failed"):
                Attempt(self._api, gang, log, self._limits).remove()
                first = gang.attempt + 1
            elif metadata.get("annotations", {}).get(DIGEST) != training.digest:
                raise SettingsError(
                    f"job {metadata['name']!r} in namespace {training.namespace!r} runs this training with other "
                    "pod settings; it ends within two minutes if its launcher is gone, or delete it"
                )
            else:
                log.line(f"job {metadata['name']} is already running this training; following it")
                return gang.attempt
        return first

    def _prepare(self, training: PodGang, spec: WorkerSpec, number: int, directory: LaunchDir, log: StepLog) -> Attempt:
        """Writes the pods' spec, and returns the attempt, which is not created yet."""
        gang = dataclasses.replace(training, attempt=number)
        uri = storage.join(directory.uri, f"attempt-{number}-spec.json")
        told = msgspec.structs.replace(
            spec, addresses=gang.addresses, rendezvous=gang.rendezvous, nonce=secrets.token_hex()
        )
        storage.write_bytes(uri, told.to_json())
        gang = dataclasses.replace(gang, pod=dataclasses.replace(gang.pod, spec_uri=uri))
        return Attempt(self._api, gang, log, self._limits)


def _describe(ending: Ending, name: str, output: WorkerOutput, log: StepLog) -> str:
    """Logs the last lines of the worker that caused the end, and returns a description of its ending.

    Raises:
      SettingsError, DataError: If another attempt would end the same way.
    """
    if ending.exit_code == EXIT_SETTINGS:
        raise SettingsError(output.reason)
    if ending.exit_code == EXIT_DATA:
        raise DataError(output.reason)
    for line in output.tail:
        log.line(f"{name}: {line}")
    return f"{name} {ending.how}" + (f": {output.reason}" if output.gave_reason else "")


@contextlib.contextmanager
def _counted(attempt: Attempt, usage: Usage) -> Iterator[None]:
    """Counts an attempt that an error ends, unless the launch that now holds the lease goes on with it."""
    try:
        yield
    except LostLease:
        raise
    except BaseException:
        with contextlib.suppress(AgrivisionError, OSError):
            usage.add(attempt.used(), completed=False)
        raise


@contextlib.contextmanager
def _removed(attempt: Attempt, log: StepLog) -> Iterator[None]:
    """Removes the attempt's objects, however it ends."""
    is_mine = True
    try:
        yield
    except LostLease:
        is_mine = False  # the launch that now holds the lease follows the same pods
        raise
    finally:
        if is_mine:
            try:
                attempt.remove()
            except AgrivisionError as error:
                log.line(f"{error}; the workers will end at their Job's deadline")
