"""Entry point of a worker: `python -m components.train --spec spec.json`."""

from components.train.worker.main import run_and_exit

if __name__ == "__main__":
    run_and_exit()
