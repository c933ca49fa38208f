"""Keeps what an experiment found, so that a study that was interrupted goes on where it was."""

import dataclasses
import hashlib

import msgspec

from components import storage
from components.contracts.study import Machine, StudyPart
from components.errors import DataError
from components.study.claims.claims_file import Claims
from components.study.experiments.experiment import Preset
from components.study.running.experiment_code import experiment_code


@dataclasses.dataclass(frozen=True)
class KeptParts:
    """The parts in a folder, or a bucket, that one study may use.

    A part is named by all that it follows from: claims, preset, code and machine. So another version or machine never
    takes over what this one found.
    """

    folder_uri: str
    claims: Claims
    preset: Preset
    machine: Machine

    def key(self, experiment: str) -> str:
        """Names what the part of an experiment follows from."""
        size = dataclasses.asdict(self.preset.of(experiment))
        told = [self.claims.sha256, size, experiment_code(experiment), self.machine]
        return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()[:16]

    def uri(self, experiment: str) -> str:
        """Returns where the part of an experiment lies."""
        return f"{self.folder_uri}/{experiment}-{self.key(experiment)}.json"

    def find(self, experiment: str) -> StudyPart | None:
        """Returns the part of an experiment; None if it is missing, or damaged, which is as good as missing."""
        try:
            part = StudyPart.from_json(storage.read_bytes(uri := self.uri(experiment)), uri)
        except (FileNotFoundError, DataError):
            return None
        return part if self.is_of(part, experiment) else None

    def keep(self, part: StudyPart) -> None:
        """Writes a part, whole or not at all."""
        storage.write_bytes(self.uri(part.experiment), part.to_json())

    def is_of(self, part: StudyPart, experiment: str) -> bool:
        """Tells whether a part says that it is of this study."""
        return (part.experiment, part.claims_sha256, part.preset, part.code_sha256, part.machine) == (
            experiment,
            self.claims.sha256,
            self.preset.name,
            experiment_code(experiment),
            self.machine,
        )
