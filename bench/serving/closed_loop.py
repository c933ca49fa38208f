"""Clients that ask a server over HTTP, each again as soon as it is answered."""

import concurrent.futures
import http.client
import threading
import time
from collections.abc import Callable, Sequence

Request = tuple[bytes, dict[str, str]]  # body and headers


def closed_loop(connected: Callable[[], Callable[[Request], None]], requests: Sequence[Request], num: int) -> float:
    """Returns requests/s of `num` clients; `connected` makes one with a connection of its own."""
    turns = iter(requests)
    lock = threading.Lock()

    def client() -> None:
        ask = connected()
        while True:
            with lock:
                request = next(turns, None)
            if request is None:
                return
            ask(request)

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(num) as pool:
        for future in [pool.submit(client) for _ in range(num)]:
            future.result()
    return len(requests) / (time.perf_counter() - start)


def connection_to(address: tuple[str, int], path: str) -> Callable[[Request], None]:
    """Returns a client with a connection of its own, which fails unless it is answered."""
    connection = http.client.HTTPConnection(*address, timeout=120)

    def ask(request: Request) -> None:
        body, headers = request
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {text[:200]!r}")

    return ask
