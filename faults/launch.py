"""The launcher of one training, started as in the train step, for a fault run to disturb its processes."""

import json
import sys

import msgspec

from components.progress import StepLog
from components.train.settings.train_settings import TrainSettings
from components.train.training import run_training


def main() -> None:
    """Trains; the arguments are data_root, manifest and settings as JSON text. The last line has the restarts."""
    data_root, manifest_path, settings = sys.argv[1:]
    trained = msgspec.json.decode(settings, type=TrainSettings)
    receipt = run_training(trained, data_root, manifest_path, StepLog("train"))
    print(json.dumps({"num_restarts": receipt.num_restarts}), flush=True)


if __name__ == "__main__":
    main()
