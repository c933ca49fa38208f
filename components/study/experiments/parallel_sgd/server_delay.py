"""The delay of real asynchronous workers of this machine, to read beside what a delay does to learning.

One parameter server and some workers, processes that talk over a network of their own, train the network of the heat
maps as the strategy `parameter_server` does. N workers that took turns would each be late by N − 1 updates. Here nobody
takes turns, so that a gradient may be late by any number.
"""

import contextlib
import dataclasses
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from components import environment
from components.contracts.study import Matrix, Words
from components.errors import DataError
from components.printable import printable
from components.private_network import NoPrivateNetwork, PrivateNetwork, private_network
from components.study.experiments.experiment import Bench
from components.study.experiments.learning.learning_arms import PLAIN_SGD
from components.study.experiments.parallel_sgd.ways import RATES, TILES_PER_WORKER
from components.study.experiments.prepared_tiles import PreparedTiles, prepare_tiles
from components.train.launch.local.spawn import ProcessGang
from components.train.settings.config import TrainConfig
from components.train.settings.roles import make_tf_config, tasks
from components.train.settings.strategies import PARAMETER_SERVER
from components.train.settings.train_settings import TrainSettings
from components.train.settings.worker_spec import WorkerSpec

SHOWN = 8  # delays from this on are one column
_PROGRAM = "components.study.experiments.parallel_sgd.delay_program"
_NUMBERS: Mapping[str, tuple[int, ...]] = {"ci": (2,), "laptop": (2, 4), "gpu": (2, 4)}
_CALLS = {"ci": 4, "laptop": 40, "gpu": 40}
_TILES, _TILE_PX, _IMAGE_PX = 60, 64, 32  # the network and the size of the heat maps
_WAIT_SECONDS, _MOST_SECONDS = 120.0, 900.0
_WORKERS = Words(english="run", spanish="ejecución")


@dataclasses.dataclass(frozen=True)
class Delays:
    """How late gradients were.

    Attributes:
      counts: Updates by delay; the last also has those that are longer.
    """

    counts: tuple[int, ...]

    @property
    def each(self) -> list[int]:
        """The delay of each update, in order."""
        return [delay for delay, count in enumerate(self.counts) for _ in range(count)]

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of updates by delay, 0 to SHOWN, the last with those that are longer."""
        total = sum(self.counts)
        return (*(count / total for count in self.counts[:SHOWN]), sum(self.counts[SHOWN:]) / total)


def server_delays(bench: Bench) -> list[Matrix]:
    """Returns the shares of updates by delay, and their middle, for each number of workers of the preset."""
    numbers, found = _NUMBERS[bench.preset.name], dict[int, Delays | None]()
    for number in numbers:
        bench.say(f"one parameter server and {number} workers")
        found[number] = delays = measure_delays(bench, number)
        if delays:
            bench.say(f"{number} workers: late by {statistics.mean(delays.each):.2f} updates on average")
    return delay_tables(found)


def measure_delays(bench: Bench, num_workers: int) -> Delays | None:
    """Returns the delays of so many workers; None if this system gives them no network that strangers cannot reach.

    Raises:
      DataError: if a process fails, or not every update was counted.
    """
    num_calls = _CALLS[bench.preset.name]
    with contextlib.ExitStack() as stack:
        try:
            network = None if environment.trusts_network() else stack.enter_context(private_network())
        except NoPrivateNetwork as error:
            bench.say(f"not run here: this system gives workers no network of their own ({error})")
            return None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".delays-", dir=bench.folder)))
        with _quiet(bench.folder):
            tiles = prepare_tiles(bench.folder / "delays", _TILES, _TILE_PX)
        counts = _counted(_spec(tiles, num_workers, bench.machine.num_cores), num_calls, folder, network)
    return Delays(counts)


def delay_tables(found: Mapping[int, Delays | None]) -> list[Matrix]:
    """Returns two tables; what was not run has no number."""
    rows = tuple(f"{number} workers" for number in found)
    longer = f"{SHOWN} or more"

    def middle(delays: Delays) -> tuple[float, ...]:
        each = delays.each
        return (statistics.median(each), statistics.mean(each), float(each[-1]))

    return [
        Matrix(
            name="server_delay",
            title=Words(
                english="Share of the updates of a parameter server by their delay: updates by others meanwhile",
                spanish="Proporción de las actualizaciones de un servidor de parámetros según su retardo: "
                "actualizaciones de otros entre tanto",
            ),
            unit="share",
            row_title=_WORKERS,
            column_title=Words(english="delay", spanish="retardo"),
            rows=rows,
            columns=(*map(str, range(SHOWN)), longer),
            values=tuple((None,) * (SHOWN + 1) if each is None else each.shares for each in found.values()),
            is_measured=True,
        ),
        Matrix(
            name="server_delay_middle",
            title=Words(
                english="Delay of a parameter server's updates; of N workers that took turns it would be N − 1",
                spanish="Retardo de las actualizaciones de un servidor de parámetros; si N procesos se turnaran sería "
                "N − 1",
            ),
            unit="updates",
            row_title=_WORKERS,
            column_title=Words(english="delay", spanish="retardo"),
            rows=rows,
            columns=("median", "mean", "longest"),
            values=tuple((None,) * 3 if each is None else middle(each) for each in found.values()),
            is_measured=True,
        ),
    ]


def _spec(tiles: PreparedTiles, num_workers: int, num_cores: int) -> WorkerSpec:
    config = TrainConfig(
        backbone="small",
        image_size_px=_IMAGE_PX,
        global_batch_size=TILES_PER_WORKER * num_workers,
        learning_rate=RATES[0],
        **PLAIN_SGD,
    )
    return WorkerSpec(
        data_root=str(tiles.root.resolve()),
        training_id="delays",
        manifest_uri=str((tiles.root / "manifest.json").resolve()),
        settings=TrainSettings(config=config, num_workers=num_workers, strategy=PARAMETER_SERVER),
        label_mode=config.label_mode,
        bands=tiles.manifest.bands,
        weights_path="",
        num_replicas=1,
        shares_gpus=False,
        rendezvous="",
        peer_wait_seconds=_WAIT_SECONDS,
        stall_seconds=_MOST_SECONDS,
        num_threads=max(1, num_cores // num_workers),
        follows_launcher=False,  # the workers end with their chief, and that with its work
    )


def _counted(spec: WorkerSpec, num_calls: int, folder: Path, network: PrivateNetwork | None) -> tuple[int, ...]:
    """Runs the processes, and returns the updates by delay."""
    gang = ProcessGang.prepare(
        lambda rendezvous: msgspec.structs.replace(spec, rendezvous=rendezvous),
        tasks(PARAMETER_SERVER, spec.settings.num_workers),
        folder,
        1,
        folder,
        network,
    )
    answer = folder / "counts.json"
    command = [sys.executable, "-m", _PROGRAM, str(gang.spec_path), str(num_calls), str(answer)]
    overrides = {"TF_CONFIG": make_tf_config(gang.tasks, gang.addresses, 0), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with contextlib.ExitStack() as stack:
        for place in range(1, len(gang.tasks)):
            stack.callback(gang.spawn(place).close)
        try:
            chief = subprocess.run(
                network.entering(command) if network else command,
                pass_fds=network.descriptors if network else (),
                env=environment.child_environment(overrides),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_MOST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"the chief of {spec.settings.num_workers} workers must count their delays within {error.timeout:.0f} "
                "s, and did not; run the experiment again on a machine with less to do"
            ) from error
    if chief.returncode:
        last = (chief.stdout.strip().splitlines() or ["no output"])[-1][:300]
        raise DataError(
            f"the chief of {spec.settings.num_workers} workers ended with exit code {chief.returncode}; its last line: "
            f"{printable(last)}"
        )
    return tuple(msgspec.json.decode(answer.read_bytes(), type=list[int]))


@contextlib.contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Sends the lines of the steps that make tiles to a file."""
    with (folder / "steps.log").open("a") as file, contextlib.redirect_stdout(file):
        yield
