"""What the server counts, in the form that Prometheus reads; each server has its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

METRICS_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_TILES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class ServerMetrics:
    """The server's counters, by the names that /metrics shows without their prefix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

        def named(name: str) -> str:
            return f"agrivision_serve_{name}"

        self.requests = Counter(
            named("requests"), "Inference requests by status code.", ["code"], registry=self._registry
        )
        self.refused = Counter(
            named("refused"),
            "Inference requests that were not answered, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            named("request_seconds"),
            "Seconds from the headers of an inference request to its answer.",
            registry=self._registry,
            buckets=_SECONDS,
        )
        self.batch_tiles = Histogram(
            named("batch_tiles"), "Tiles in a batch of the model.", registry=self._registry, buckets=_TILES
        )
        self.queue_tiles = Gauge(
            named("queue_tiles"), "Tiles that wait for the model or are with it.", registry=self._registry
        )
        self.held_bytes = Gauge(named("held_bytes"), "Bytes of requests in memory.", registry=self._registry)
        self.connections_refused = Counter(
            named("connections_refused"), "Connections beyond the most that are open at once.", registry=self._registry
        )
        self.turned_away = Counter(
            named("turned_away"),
            "Requests of any path that came from foreign web pages, by foreign names, or with odd headers, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self.ready = Gauge(named("ready"), "1 if a model answers, else 0.", registry=self._registry)
        self.swaps = Counter(named("swaps"), "Models that took another's place.", registry=self._registry)
        self.restarts = Counter(
            named("restarts"), "Models started anew because their process had ended.", registry=self._registry
        )
        self.load_failures = Counter(
            named("load_failures"), "Attempts to load a model that failed.", registry=self._registry
        )
        self._model = Gauge(
            named("model_info"), "1 for the version that answers.", ["name", "version"], registry=self._registry
        )

    def serves(self, name: str, version: str) -> None:
        """Notes the version that answers from now on."""
        self._model.clear()
        self._model.labels(name, version).set(1)

    def page(self) -> bytes:
        """Returns all metrics as text."""
        return generate_latest(self._registry)
