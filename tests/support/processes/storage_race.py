"""Races between processes for one name in storage, for test_storage and test_storage_gcs."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from components import storage
from components.storage import whole_folder


def race(kind: str, uri: str, num_racers: int, num_rounds: int) -> list[int]:
    """Returns how many racers won in each round.

    In a round, all have prepared before any starts, and all start at the same moment.

    Args:
      kind: "swap" (compare_and_swap on `uri`), "once" (write_once) or "publish" (publish_folder); the latter two
        on a new name `<uri>-<round>` each round.
    """
    command = [sys.executable, __file__, kind, uri, str(num_rounds)]
    racers = [
        subprocess.Popen([*command, f"racer-{i}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i in range(num_racers)
    ]
    try:
        return [_round(racers) for _ in range(num_rounds)]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


def _round(racers: list[subprocess.Popen[str]]) -> int:
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    moment = time.time() + 0.005
    for racer in racers:
        print(moment, file=racer.stdin, flush=True)
    return sum(int(racer.stdout.readline()) for racer in racers)


def _swap(uri: str, racer: str, number: int, wait: Callable[[], None]) -> bool:
    _, token = storage.read_pointer(uri)
    wait()
    try:
        storage.compare_and_swap(uri, token, f"{racer} in round {number}".encode())
    except storage.Conflict:
        return False
    return True


def _once(uri: str, racer: str, number: int, wait: Callable[[], None]) -> bool:
    wait()
    return storage.write_once(f"{uri}-{number}", racer.encode())


def _publish(uri: str, racer: str, number: int, wait: Callable[[], None]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "model", racer)
        wait()
        return whole_folder.publish(Path(folder) / "model", f"{uri}-{number}", "card.json")


def write_model(folder: Path, card: str) -> None:
    """Writes a folder such as push publishes: some files, one of them deeper, and a last one."""
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "index").write_bytes(b"weights" * 1000)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "card.json").write_text(card)


def _wait_for_start() -> None:
    print("ready", flush=True)
    moment = float(sys.stdin.readline())
    while time.time() < moment:
        pass


if __name__ == "__main__":
    run = {"swap": _swap, "once": _once, "publish": _publish}[sys.argv[1]]
    for number in range(int(sys.argv[3])):
        print(int(run(sys.argv[2], sys.argv[4], number, _wait_for_start)), flush=True)
