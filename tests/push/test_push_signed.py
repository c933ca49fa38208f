"""A push signs the version if it is given a key; a version that was published without one is signed later."""

import pytest
from colour_model import colour_dataset, colour_training
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from models_here import run_models_here

from components.contracts import ModelCard
from components.errors import DataError, SettingsError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push.publish import push_model
from components.registry import CARD
from components.registry.signature import SIGNATURE, check_signature

LOG = StepLog("push")


@pytest.fixture
def key(tmp_path):
    """A private key and its path."""
    private = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "key"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return private, str(path)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """The root of a dataset, its manifest, and an evaluated training."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root, num_val=12, num_test=12)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        page = root / "report.html"
        evaluation = evaluate_training(str(root), str(root / "n"), manifest, receipt, page, LOG).evaluation
    return root, manifest, receipt, evaluation


def push(documents, models_uri, sign_key):
    root, *rest = documents
    return push_model(str(root), str(models_uri), *rest, LOG, sign_key=sign_key)


@pytest.mark.long
def test_a_pushed_version_is_signed_and_signed_later_if_it_was_not(documents, tmp_path, key, models_here, capsys):
    private, path = key
    receipt = push(documents, tmp_path / "models", path)
    uri = receipt.model_uri
    check_signature(uri, ModelCard.read(f"{uri}/{CARD}"), private.public_key())
    first = (tmp_path / "models" / "versions" / receipt.model_version / SIGNATURE).read_bytes()

    assert push(documents, tmp_path / "models", path) == receipt
    signature = tmp_path / "models" / "versions" / receipt.model_version / SIGNATURE
    assert signature.read_bytes() == first
    signature.unlink()
    assert push(documents, tmp_path / "models", "") == receipt
    assert not signature.exists()
    assert push(documents, tmp_path / "models", path) == receipt
    check_signature(uri, ModelCard.read(f"{uri}/{CARD}"), private.public_key())
    said = capsys.readouterr().out
    assert [text in said for text in ("signed by the key ", "it is signed already, by ", "after it was published")] == [
        True
    ] * 3

    another = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key").write_bytes(another.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(DataError, match=r"model.sig' is not by the key \w{16}: it is by another key"):
        push(documents, tmp_path / "models", path)


def test_without_its_key_nothing_is_pushed(documents, tmp_path, models_here):
    with pytest.raises(SettingsError, match=r"^push_sign_key '.*none' cannot be read: No such file"):
        push(documents, tmp_path / "models", str(tmp_path / "none"))
    assert not (tmp_path / "models").exists()
