import dataclasses
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import DataError, SettingsError
from components.progress import StepLog
from components.train.settings import backbones
from components.train.settings.config import TrainConfig
from components.train.settings.published_weights import publish_weights, sha256_of, verified_weights

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Files(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT under any name, or less of it than it promised."""

    requests: list[str]
    promised = len(CONTENT)

    def do_GET(self) -> None:
        self.requests.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(self.promised))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Files]]:
    handler = type("Handler", (Files,), {"requests": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        monkeypatch.setattr(backbones, "_WEIGHTS", f"http://127.0.0.1:{running.server_port}")
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield handler
        running.shutdown()
        thread.join()


@pytest.fixture
def known_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes CONTENT the weights that Keras published for resnet50."""
    md5 = hashlib.md5(CONTENT).hexdigest()
    resnet = dataclasses.replace(backbones.BACKBONES["resnet50"], imagenet_md5=md5)
    monkeypatch.setitem(backbones.BACKBONES, "resnet50", resnet)


def publish(weights: str, root: Path, backbone: str = "resnet50") -> str:
    return publish_weights(TrainConfig(backbone=backbone, weights=weights), str(root), StepLog("train"))


def given(weights: str = "a.h5", backbone: str = "resnet50") -> TrainConfig:
    return TrainConfig(backbone=backbone, weights=weights)


def test_random_weights_need_no_file(tmp_path: Path) -> None:
    assert publish("", tmp_path) == ""
    assert sha256_of("") == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_a_file_is_known_by_its_content_and_stays_where_it_was(suffix: str, tmp_path: Path) -> None:
    for name in ("a", "another-name"):
        (tmp_path / f"{name}{suffix}").write_bytes(CONTENT)
        path = publish(str(tmp_path / f"{name}{suffix}"), tmp_path / "data")
        assert path == f"weights/{SHA256}{suffix}"
        assert (tmp_path / f"{name}{suffix}").exists()
    assert sha256_of(path) == SHA256
    with verified_weights(str(tmp_path / "data"), path, given()) as local:
        assert local.read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"weights: no such file '.*/none\.keras'"):
        publish(str(tmp_path / "none.keras"), tmp_path)


def test_weights_that_changed_or_went_are_not_trained_from(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(CONTENT)
    path = publish(str(tmp_path / "a.h5"), tmp_path / "data")
    (tmp_path / "data" / path).write_bytes(CONTENT[1:])
    with (
        pytest.raises(DataError, match="have changed since"),
        verified_weights(str(tmp_path / "data"), path, given()),
    ):
        pass
    (tmp_path / "data" / path).unlink()
    with pytest.raises(DataError, match="are missing"), verified_weights(str(tmp_path / "data"), path, given()):
        pass


def test_published_weights_are_downloaded_once_for_all_runs(
    server: type[Files], known_md5: None, tmp_path: Path
) -> None:
    for _ in range(2):
        assert publish("imagenet", tmp_path) == f"weights/{SHA256}.h5"
    assert server.requests == ["/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"]


@pytest.mark.hostile
def test_weights_that_were_changed_on_the_way_are_not_taken(server: type[Files], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"have md5 [0-9a-f]{32}, but those that Keras published have 4d473c1dd8"):
        publish("imagenet", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.hostile
def test_a_list_of_weights_in_a_bucket_cannot_name_others_for_published_ones(
    server: type[Files], known_md5: None, tmp_path: Path
) -> None:
    path = publish("imagenet", tmp_path)
    (known,) = (tmp_path / "weights").glob("*.path")
    (tmp_path / "other.h5").write_bytes(b"other")
    known.write_text(publish(str(tmp_path / "other.h5"), tmp_path))
    with (
        pytest.raises(DataError, match="but those that Keras published have"),
        verified_weights(str(tmp_path), publish("imagenet", tmp_path), given("imagenet")),
    ):
        pass
    known.write_text("../../etc/passwd")
    with pytest.raises(DataError, match=r"must hold the path of a weights file, got '\.\./\.\./etc/passwd'; remove it"):
        publish("imagenet", tmp_path)
    known.write_text(path)
    with verified_weights(str(tmp_path), publish("imagenet", tmp_path), given("imagenet")) as local:
        assert local.read_bytes() == CONTENT


def test_a_download_that_breaks_off_leaves_nothing(server: type[Files], tmp_path: Path) -> None:
    server.promised += 1
    with pytest.raises(
        SettingsError, match=f"could not be downloaded .received {len(CONTENT)} of {len(CONTENT) + 1} bytes"
    ):
        publish("imagenet", tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_internet_the_way_out_is_in_the_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backbones, "_WEIGHTS", "http://127.0.0.1:9")
    with pytest.raises(
        SettingsError, match=r"download http://.*efficientnetv2-b0_notop\.h5 elsewhere and set weights"
    ) as error:
        publish("imagenet", tmp_path, "efficientnet_v2_b0")
    assert "\n" not in str(error.value)
