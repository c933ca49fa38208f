"""Copies a backbone's initial weights, once, to where all workers read the same file. Imports no TensorFlow."""

import contextlib
import hashlib
import http.client
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from components import storage
from components.errors import DataError, SettingsError
from components.progress import StepLog
from components.train.settings.backbones import BACKBONES, Backbone
from components.train.settings.config import TrainConfig
from components.train.settings.tuning.network import IMAGENET_WEIGHTS, WEIGHTS_SUFFIXES

_TIMEOUT_SECONDS = 30.0  # for an answer, not for the whole file
_MOST_BYTES = 2 << 30  # the largest published file has 473 MB
_BYTES_AT_ONCE = 1 << 20
_FOLDER = "weights"
_PUBLISHED = re.compile(rf"{_FOLDER}/[0-9a-f]{{64}}\.[a-z0-9.]+")


def publish_weights(config: TrainConfig, data_root: str, log: StepLog) -> str:
    """Copies the weights to `weights/<sha256><suffix>` under `data_root`, unless they are already there.

    Returns:
      The path relative to `data_root`; empty if the backbone starts from random weights.

    Raises:
      SettingsError: If the file does not exist, or the published weights cannot be downloaded.
      DataError: If what is downloaded is not what was published.
    """
    if not config.weights:
        return ""
    if config.weights == IMAGENET_WEIGHTS:
        return _publish_imagenet(BACKBONES[config.backbone], data_root, log)
    try:
        with storage.local_copy(config.weights) as local:
            return _publish(local, config.weights, data_root)
    except FileNotFoundError as error:
        raise SettingsError(f"weights: no such file {config.weights!r}") from error


def sha256_of(weights_path: str) -> str:
    """Returns the sha256 in a path returned by publish_weights."""
    return weights_path.rpartition("/")[2].partition(".")[0]


@contextlib.contextmanager
def verified_weights(data_root: str, weights_path: str, config: TrainConfig) -> Iterator[Path]:
    """Yields a local file with the weights, after checking its sha256, and for ImageNet the md5 that Keras names.

    Raises:
      DataError: If the file is missing, has changed since it was published, or is not what Keras published.
    """
    uri = storage.join(data_root, weights_path)
    try:
        with storage.local_copy(uri) as local:
            if _sha256(local) != sha256_of(weights_path):
                raise DataError(f"weights {uri!r} have changed since they were stored; remove the file and run again")
            if config.weights == IMAGENET_WEIGHTS:
                _check_published(local, BACKBONES[config.backbone])
            yield local
    except FileNotFoundError as error:
        raise DataError(f"weights {uri!r} are missing; run again to restore them") from error


def _publish_imagenet(backbone: Backbone, data_root: str, log: StepLog) -> str:
    """Publishes the ImageNet weights, and records where, so that later runs need no internet access."""
    url = backbone.imagenet_url
    known = storage.join(data_root, _FOLDER, f"{url.rpartition('/')[2]}.path")
    if storage.exists(known):
        path = storage.read_bytes(known).decode(errors="replace")
        if not _PUBLISHED.fullmatch(path):
            raise DataError(
                f"{known!r} must hold the path of a weights file, got {path[:100]!r}; remove it and run again"
            )
        if storage.exists(storage.join(data_root, path)):
            return path
    log.line(f"downloading {url}")
    with tempfile.TemporaryDirectory() as temporary:
        local = Path(temporary, "weights.h5")
        try:
            _download(url, local)
        except (OSError, http.client.HTTPException) as error:
            raise SettingsError(
                f"weights {IMAGENET_WEIGHTS!r} could not be downloaded ({error}); download {url} elsewhere and set "
                "weights to the file, or leave weights empty to start from random ones"
            ) from error
        _check_published(local, backbone)
        path = _publish(local, url, data_root)
    storage.write_bytes(known, path.encode())
    return path


def _check_published(local: Path, backbone: Backbone) -> None:
    # Keras names md5 alone. Nobody can make another file with a given md5, only two files that have the same one.
    found = _digest(local, "md5")
    if backbone.imagenet_md5 and found != backbone.imagenet_md5:
        raise DataError(
            f"the weights from {backbone.imagenet_url} have md5 {found}, but those that Keras published have "
            f"{backbone.imagenet_md5}: they were changed on the way; download them elsewhere, and set weights to that"
        )


def _download(url: str, local: Path) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response, local.open("wb") as file:
        left = _MOST_BYTES
        while part := response.read(min(left, _BYTES_AT_ONCE)):
            file.write(part)
            left -= len(part)
        if not left:
            raise ConnectionError(f"received {_MOST_BYTES:,} bytes, more than any weights have")
        expected = response.headers.get("Content-Length")
    # A connection that closes early looks like the end of the file.
    if expected is not None and local.stat().st_size != int(expected):
        raise ConnectionError(f"received {local.stat().st_size} of {expected} bytes")


def _publish(local: Path, source: str, data_root: str) -> str:
    suffix = next(suffix for suffix in WEIGHTS_SUFFIXES if source.endswith(suffix))
    path = f"{_FOLDER}/{_sha256(local)}{suffix}"
    uri = storage.join(data_root, path)
    if not storage.exists(uri):
        with tempfile.TemporaryDirectory() as temporary:
            # upload_once removes its file, but this one belongs to the user.
            copy = Path(shutil.copyfile(local, Path(temporary, "weights")))
            storage.upload_once(copy, uri)
    return path


def _sha256(path: Path) -> str:
    return _digest(path, "sha256")


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
