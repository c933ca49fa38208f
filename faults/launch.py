"""The process that a fault run disturbs: the launcher of one training, as the train step starts it."""

import json
import sys

from components.progress import StepLog
from components.train.training import train_locally


def main() -> None:
    """Trains as the JSON text of the only argument says; the last line of the output is the number of restarts."""
    settings = json.loads(sys.argv[1])
    receipt = train_locally(**settings, log=StepLog("train"))
    print(json.dumps({"num_restarts": receipt.num_restarts}), flush=True)


if __name__ == "__main__":
    main()
