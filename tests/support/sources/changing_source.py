"""A source that changes between two calls of retrain, and the calls; of its tiles only names and sizes count."""

import os
from pathlib import Path

from ingested import challenge_paths, names
from retrain_server import Clock, Server
from tile_listing import release_files, write_files

from components.agrivision import CHALLENGE_2020
from components.progress import StepLog
from pipeline.kubeflow.package import Package
from pipeline.parameters import Parameters
from pipeline.retrain.retraining import RetrainAnswer, Retraining, RetrainOrder
from pipeline.retrain.runs import RunState
from pipeline.retrain.settings import RetrainSettings

PACKAGE = Package("apiVersion: v1", "sha-1")
EPOCH_NS = 1_700_000_000 * 10**9  # of all files


class ChangingSource:
    """Sixty tiles of a challenge release, a data_root, and a server that runs the pipeline."""

    def __init__(self, root: Path, name: str = "tiles") -> None:
        self.root, self.source = root, root / name
        self.clock = Clock()
        self.server = Server(self.clock)
        self.write(challenge_paths())

    def write(self, paths: list[str]) -> None:
        write_files(self.source, paths)
        for path in paths:
            os.utime(self.source / path, ns=(EPOCH_NS, EPOCH_NS))

    def add_tiles(self, num_tiles: int, field: str = "NEW") -> None:
        tiles = [name.replace("TRAIN", field) for name in names("TRAIN", num_tiles)]
        self.write(release_files(CHALLENGE_2020, "train", tiles))

    def files_of(self, tile: str) -> list[Path]:
        return sorted(self.source.rglob(f"{tile}.*"))

    def parameters(self, **given: object) -> Parameters:
        places = {"source_uri": str(self.source), "data_root": f"{self.root}/data", "models_uri": f"{self.root}/models"}
        return Parameters(**{**places, **given})

    def call(
        self, package: Package = PACKAGE, is_dry: bool = False, parameters: Parameters | None = None, **settings: float
    ) -> RetrainAnswer:
        order = RetrainOrder(
            parameters=parameters or self.parameters(),
            package=package,
            settings=RetrainSettings(**settings),
            is_dry=is_dry,
        )
        return Retraining(order, self.server, self.clock, StepLog("retrain")).decide()

    def end_run(self, state: RunState = RunState.SUCCEEDED) -> None:
        """Ends all runs, and has a call notice it."""
        for run in self.server.runs.values():
            run.state = state
        self.call()

    def written(self) -> dict[str, bytes]:
        """Returns all files under data_root and models_uri, hidden ones too."""
        folders = (self.root / "data", self.root / "models")
        return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
