"""The settings of `agrivision serve`, each an option of the command."""

import dataclasses
import re

from components.errors import SettingsError
from components.registry import PRODUCTION
from components.setting import check_settings, setting
from components.storage import is_remote

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?")
ANY_NAME = "*"
_SHA256 = re.compile(r"[0-9a-f]{64}")
MIB = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Where it listens, what it serves, and its limits.

    Raises:
      SettingsError: if a value is not allowed, or two contradict each other.
    """

    channel: str = setting(PRODUCTION, "Channel of the models URI to follow; unused for the folder of one version.")
    name: str = setting("agrivision", "Name of the model in the paths, as in /v2/models/agrivision/infer.")
    host: str = setting("127.0.0.1", "Address to listen on. Only this machine reaches the default; 0.0.0.0 is all.")
    port: int = setting(8000, "Port to listen on; 0 takes a free one and prints it.", at_least=0, at_most=65_535)
    host_names: str = setting(
        "",
        "Further names by which clients may ask a server that listens on this machine alone, with commas between "
        "them; * is any. Addresses and localhost need none. If given, they count for other addresses too.",
        may_be_empty=True,
    )
    poll_seconds: float = setting(10.0, "Seconds between two looks at the channel.", at_least=0.1, at_most=86_400)
    batch_tiles: int = setting(16, "Most tiles that the model answers at once.", at_least=1, at_most=256)
    batch_wait_ms: float = setting(
        4.0, "Milliseconds that a tile waits for others to fill its batch.", at_least=0.0, at_most=1_000
    )
    queue_tiles: int = setting(
        64,
        "Most tiles that are accepted and not answered yet; a request for more gets 503 and a Retry-After.",
        at_least=1,
        at_most=100_000,
    )
    request_tiles: int = setting(32, "Most tiles in one request.", at_least=1, at_most=1_024)
    request_mib: int = setting(32, "Most MiB in one request.", at_least=1, at_most=1_024)
    held_mib: int = setting(
        256, "Most MiB of all requests that are held at once; beyond it, requests get 503.", at_least=1
    )
    tile_pixels: int = setting(
        4_194_304, "Most pixels of a tile; it is refused by its header, before it is decoded.", at_least=1
    )
    request_pixels: int = setting(
        16_777_216,
        "Most pixels of all tiles in one request; a tile counts by its largest image. A request for more gets 413.",
        at_least=1,
    )
    batch_pixels: int = setting(
        4_194_304,
        "Most pixels that the model is asked about at once, so that large tiles do not keep others waiting; a tile of "
        "more is asked about alone.",
        at_least=1,
    )
    queue_pixels: int = setting(
        67_108_864,
        "Most pixels of tiles that are accepted and not answered yet; a request for more gets 503 and a Retry-After.",
        at_least=1,
    )
    max_connections: int = setting(256, "Most connections that are open at once.", at_least=1, at_most=65_535)
    header_seconds: float = setting(
        10.0, "Seconds that a client has for its headers, and an idle connection is kept.", above=0.0, at_most=3_600
    )
    body_seconds: float = setting(30.0, "Seconds that a client has for its body.", above=0.0, at_most=3_600)
    answer_seconds: float = setting(
        60.0,
        "Seconds after which a batch that is not answered counts as stuck, and its model is started anew.",
        above=0.0,
        at_most=3_600,
    )
    drain_seconds: float = setting(
        30.0, "Seconds that accepted requests have to finish after SIGTERM.", at_least=0.0, at_most=3_600
    )
    drift_to: str = setting(
        "",
        "Folder or gs:// URI for the sums of what was answered, one file for each window of time; without it, none.",
        may_be_empty=True,
    )
    drift_seconds: float = setting(
        3600.0, "Seconds of one window; the last is written at the end.", at_least=1.0, at_most=86_400
    )
    expect_sha256: str = setting(
        "", "The sha256 that the version's card.json must have; without it, any.", may_be_empty=True
    )

    verify_key: str = setting(
        "",
        "Path of a public key, ECDSA in PEM: only versions that its private key has signed are served; empty for any.",
        may_be_empty=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                f"name must be letters, digits, dots, - and _, at most 64, because it is part of a path; "
                f"got {self.name!r}"
            )
        for name in self.names:
            if name != ANY_NAME and not _HOST_NAME.fullmatch(name):
                raise SettingsError(
                    f"host_names must be names of hosts with commas between them, as in tiles.example.org, without "
                    f"scheme and port; got {name!r}"
                )
        if self.expect_sha256 and not _SHA256.fullmatch(self.expect_sha256):
            raise SettingsError(
                f"expect_sha256 must be 64 hexadecimal digits in lower case, as sha256sum prints them; "
                f"got {self.expect_sha256[:80]!r}"
            )
        if self.drift_to:
            is_remote(self.drift_to)
        if self.request_tiles > self.queue_tiles:
            raise SettingsError(
                f"request_tiles must be at most queue_tiles, {self.queue_tiles}, or the largest request could never "
                f"be accepted; got {self.request_tiles}"
            )
        if self.tile_pixels > self.request_pixels:
            raise SettingsError(
                f"tile_pixels must be at most request_pixels, {self.request_pixels:,}, or the largest tile could never "
                f"be accepted; got {self.tile_pixels:,}"
            )
        if self.request_pixels > self.queue_pixels:
            raise SettingsError(
                f"request_pixels must be at most queue_pixels, {self.queue_pixels:,}, or the largest request could "
                f"never be accepted; got {self.request_pixels:,}"
            )
        if self.request_mib > self.held_mib:
            raise SettingsError(
                f"request_mib must be at most held_mib, {self.held_mib}, or the largest request could never be "
                f"accepted; got {self.request_mib}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The host names, in lowercase."""
        return tuple(name.strip().lower() for name in self.host_names.split(",") if name.strip())
