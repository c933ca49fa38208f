"""A version's signature says that all its files are as they were pushed; whatever else it is, it is refused."""

import base64
import json
import re
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from model_cards import card_of

from components.contracts import ModelCard
from components.errors import DataError, SettingsError
from components.registry import CARD
from components.registry.signature import (
    SIGNATURE,
    check_signature,
    key_hint,
    read_signing_key,
    read_verify_key,
    signature_of,
)
from components.serve.wanted_model import WantedModel

CURVES = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())


def write_keys(folder, key, password=None):
    """Writes a private key and its public one; returns their paths."""
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    folder.mkdir(exist_ok=True)
    (folder / "key").write_bytes(key.private_bytes(pem, pkcs8, hidden))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "key.pub").write_bytes(key.public_key().public_bytes(pem, spki))
    return str(folder / "key"), str(folder / "key.pub")


@pytest.fixture
def version(tmp_path):
    """A version's folder, signed, and the path of its public key."""
    path, public = write_keys(tmp_path / "keys", ec.generate_private_key(CURVES[0]))
    folder = tmp_path / "models" / "versions" / "v"
    folder.mkdir(parents=True)
    card = msgspec.structs.replace(
        card_of("v"), files={"saved_model.pb": "1" * 64}, attachments={"README.md": "2" * 64}
    )
    card.write(folder / CARD)
    (folder / SIGNATURE).write_bytes(signature_of(card, read_signing_key(path)))
    return folder, public


def check(folder, public):
    check_signature(str(folder), ModelCard.read(str(folder / CARD)), read_verify_key(public))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_what_a_key_has_signed_its_public_key_verifies(tmp_path, version, curve):
    folder, _ = version
    path, public = write_keys(tmp_path / "more", ec.generate_private_key(curve))
    (folder / SIGNATURE).write_bytes(signature_of(ModelCard.read(str(folder / CARD)), read_signing_key(path)))

    check(folder, public)


def test_all_files_of_the_version_are_named_in_the_form_of_model_signing(version):
    folder, public = version
    bundle = json.loads((folder / SIGNATURE).read_text())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    card = ModelCard.read(str(folder / CARD))

    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert bundle["verificationMaterial"] == {
        "publicKey": {"hint": key_hint(read_verify_key(public))},
        "tlogEntries": [],
    }
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    assert statement["predicate"]["resources"] == [
        {"name": "README.md", "digest": "2" * 64, "algorithm": "sha256"},
        {"name": CARD, "digest": card.sha256, "algorithm": "sha256"},
        {"name": "saved_model.pb", "digest": "1" * 64, "algorithm": "sha256"},
    ]


def another_key(folder, tmp_path):
    return write_keys(tmp_path / "other", ec.generate_private_key(CURVES[0]))[1]


def another_curve(folder, tmp_path):
    return write_keys(tmp_path / "other", ec.generate_private_key(CURVES[1]))[1]


def in_envelope(change):
    def changed(folder, tmp_path):
        bundle = json.loads((folder / SIGNATURE).read_text())
        change(bundle["dsseEnvelope"])
        (folder / SIGNATURE).write_text(json.dumps(bundle))

    return changed


def flipped(text):
    content = bytearray(base64.b64decode(text))
    content[len(content) // 2] ^= 1
    return base64.b64encode(content).decode()


def flip_payload(envelope):
    envelope["payload"] = flipped(envelope["payload"])


def flip_signature(envelope):
    envelope["signatures"][0]["sig"] = flipped(envelope["signatures"][0]["sig"])


def no_signature(envelope):
    envelope["signatures"] = []


def another_type(envelope):
    envelope["payloadType"] = "text/plain"


def no_base64(envelope):
    envelope["payload"] = "%%%"


def change_card(folder, tmp_path):
    card = ModelCard.read(str(folder / CARD))
    msgspec.structs.replace(card, files={"saved_model.pb": "3" * 64}).write(folder / CARD)


def write(content):
    return lambda folder, tmp_path: (folder / SIGNATURE).write_bytes(content) and None


def remove(folder, tmp_path):
    (folder / SIGNATURE).unlink()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            another_key,
            r"model.sig' is not by the key \w{16}: it is by another key, '\w{16}'; do not use version v before",
        ),
        (another_curve, r"model.sig' is not by the key \w{16}: it is by another key"),
        (in_envelope(flip_payload), "its content was changed; do not use version v before you know who changed it"),
        (in_envelope(flip_signature), "its content was changed"),
        (in_envelope(no_signature), "is a signature of another form; expected one in a bundle"),
        (in_envelope(another_type), "is a signature of another form"),
        (in_envelope(no_base64), "is no signature of a model: "),
        (change_card, r"model.sig' is of other files than card.json of version v names"),
        (write(b""), "is no signature of a model: .*; sign the version again"),
        (write(b"\xff" * 10), "is no signature of a model: "),
        (write(b"[" * 100_000), "is no signature of a model: "),
        (write(b"{}"), "is no signature of a model: .* missing required field"),
        (write(bytes((4 << 20) + 1)), "must have at most 4,194,304 bytes, got 4,194,305"),
        (remove, "version v is not signed: no '.*model.sig'; push it with push_sign_key, or verify without a key"),
    ],
)
def test_a_version_that_its_key_did_not_sign_is_refused_in_one_line(version, tmp_path, change, text):
    folder, public = version
    public = change(folder, tmp_path) or public

    with pytest.raises(DataError, match=text) as raised:
        check(folder, public)
    assert str(raised.value).isprintable()


def test_what_is_not_signed_is_not_served_where_a_signature_is_required(version):
    folder, public = version
    key = read_verify_key(public)

    assert WantedModel(str(folder), "production", "", key).find().card.version == "v"
    (folder / SIGNATURE).unlink()
    assert WantedModel(str(folder), "production").find().card.version == "v"
    with pytest.raises(DataError, match="version v is not signed"):
        WantedModel(str(folder), "production", "", key).find()


def with_password(folder):
    return write_keys(folder, ec.generate_private_key(CURVES[0]), b"secret")


@pytest.mark.parametrize(
    ("make", "private_text", "public_text"),
    [
        (lambda f: (str(f / "none"),) * 2, "cannot be read: No such file", "cannot be read: No such file"),
        (lambda f: (str(f.parent),) * 2, "cannot be read: Is a directory", "cannot be read: Is a directory"),
        (
            lambda f: (__file__,) * 2,
            "is no private key in PEM; openssl ecparam",
            "is no public key in PEM; openssl ec -in",
        ),
        (lambda f: ("/dev/zero",) * 2, "has more than 65,536 bytes", "has more than 65,536 bytes"),
        (lambda f: write_keys(f, rsa.generate_private_key(65537, 2048)), "of another kind", "of another kind"),
        (lambda f: write_keys(f, ed25519.Ed25519PrivateKey.generate()), "of another kind", "of another kind"),
        (lambda f: write_keys(f, ec.generate_private_key(ec.SECP256K1())), "of another kind", "of another kind"),
        (lambda f: write_keys(f, ec.generate_private_key(CURVES[0]))[::-1], "no private key", "no public key"),
        (with_password, "has a password; expected a key without one", ""),
    ],
)
def test_a_key_that_is_none_is_refused_by_the_name_of_its_setting(tmp_path, make, private_text, public_text):
    private, public = make(tmp_path / "keys")
    with pytest.raises(SettingsError, match=f"^push_sign_key {re.escape(repr(private))} .*{private_text}"):
        read_signing_key(private)
    if public_text:
        with pytest.raises(SettingsError, match=f"^verify_key {re.escape(repr(public))} .*{public_text}"):
            read_verify_key(public)


def test_the_private_key_is_in_nothing_that_is_said(tmp_path):
    path, _ = with_password(tmp_path / "keys")
    with pytest.raises(SettingsError, match="has a password") as raised:
        read_signing_key(path)
    assert Path(path).read_text().splitlines()[1] not in str(raised.value)
