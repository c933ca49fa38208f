"""The process that a fault run disturbs: the launcher of one training, as the train step starts it."""

import json
import sys

import msgspec

from components.progress import StepLog
from components.train.settings.train_settings import TrainSettings
from components.train.training import run_training


def main() -> None:
    """Trains on the data_root and manifest of its arguments, with settings as JSON text; last prints the restarts."""
    data_root, manifest_path, settings = sys.argv[1:]
    trained = msgspec.json.decode(settings, type=TrainSettings)
    receipt = run_training(trained, data_root, manifest_path, StepLog("train"))
    print(json.dumps({"num_restarts": receipt.num_restarts}), flush=True)


if __name__ == "__main__":
    main()
