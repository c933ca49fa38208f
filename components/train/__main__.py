"""Entry point of a worker: `python -m components.train --spec spec.json`."""

import sys

if __name__ == "__main__":
    # TensorFlow imports Keras, and Keras these, for wrappers and pictures that no worker uses: a third of the time that
    # it takes to start. To Keras they now look as if they were not installed.
    for name in ("matplotlib", "sklearn"):
        sys.modules[name] = None  # type: ignore[assignment]

    from components.train.worker.main import run_and_exit

    run_and_exit()
