"""The signature of a version: an ECDSA key's word that card.json, and so every file that it names, is as it was pushed.

`model.sig` has the form of OpenSSF model signing with a key, a Sigstore bundle around an in-toto statement of all files
(https://docs.sigstore.dev/about/bundle/, https://github.com/secure-systems-lab/dsse), so that `model_signing verify
key` reads it, too. That package itself is not used: it brings 25 others, for ways to sign that need a network, and its
part for keys does not load without one more that it does not name. `cryptography` is here anyway.
"""

import base64
import binascii
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from components import storage
from components.contracts import ModelCard
from components.errors import DataError, SettingsError
from components.registry.layout import CARD

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

SIGNATURE = "model.sig"
_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_HASHES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}  # by curve, as in Sigstore
_MOST_BYTES, _MOST_KEY_BYTES = 4 << 20, 64 << 10


class _Resource(msgspec.Struct):
    name: str
    digest: str
    algorithm: str


class _Predicate(msgspec.Struct):
    resources: tuple[_Resource, ...]
    serialization: dict[str, Any]


class _Subject(msgspec.Struct):
    name: str
    digest: dict[str, str]


class _Statement(msgspec.Struct, rename={"kind": "_type", "predicate_type": "predicateType"}):
    kind: str
    subject: tuple[_Subject, ...]
    predicate_type: str
    predicate: _Predicate


class _Signature(msgspec.Struct):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


class _PublicKey(msgspec.Struct):
    hint: str = ""


class _Material(msgspec.Struct, rename="camel"):
    public_key: _PublicKey
    tlog_entries: tuple[Any, ...] = ()


class _Bundle(msgspec.Struct, rename="camel"):
    media_type: str
    verification_material: _Material
    dsse_envelope: _Envelope


def read_signing_key(path: str) -> "EllipticCurvePrivateKey":
    """Reads a private key.

    Raises:
      SettingsError: if there is none of a kind that signs models, or it needs a password.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _key_bytes("push_sign_key", path)
    try:
        key = load_pem_private_key(content, None)
    except TypeError as error:
        raise SettingsError(
            f"push_sign_key {path!r} has a password; expected a key without one, in a secret"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"push_sign_key {path!r} is no private key in PEM; {_how_to_make()}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _HASHES:
        raise SettingsError(f"push_sign_key {path!r} is a private key of another kind; {_how_to_make()}")
    return key


def read_verify_key(path: str) -> "EllipticCurvePublicKey":
    """Reads a public key.

    Raises:
      SettingsError: if there is none of a kind that signs models.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _key_bytes("verify_key", path)
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"verify_key {path!r} is no public key in PEM; openssl ec -in KEY -pubout makes it of a private one"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise SettingsError(f"verify_key {path!r} is a public key of another kind; expected ECDSA on P-256, 384 or 521")
    return key


def signature_of(card: ModelCard, key: "EllipticCurvePrivateKey") -> bytes:
    """Returns the content of a version's `model.sig`; the card is as it is published."""
    from cryptography.hazmat.primitives.asymmetric import ec

    digests = _digests(card)
    root = hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests.values())).hexdigest()
    statement = _Statement(
        kind=_STATEMENT_TYPE,
        subject=(_Subject(name=card.version, digest={"sha256": root}),),
        predicate_type=_PREDICATE_TYPE,
        predicate=_Predicate(
            serialization={
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE],
            },
            resources=tuple(_Resource(name, digest, "sha256") for name, digest in digests.items()),
        ),
    )
    payload = msgspec.json.encode(statement)
    signed = key.sign(_pre_authentication(payload), ec.ECDSA(_hash_of(key.curve.name)))
    envelope = _Envelope(_base64(payload), _PAYLOAD_TYPE, (_Signature(_base64(signed)),))
    material = _Material(_PublicKey(key_hint(key.public_key())))
    return msgspec.json.format(msgspec.json.encode(_Bundle(_MEDIA_TYPE, material, envelope)), indent=2) + b"\n"


def check_signature(uri: str, card: ModelCard, key: "EllipticCurvePublicKey") -> None:
    """Compares the signature of a version with its card, whose digests then bind all other files.

    Args:
      uri: The version's folder.
      card: Read from there.

    Raises:
      DataError: if there is no signature, it is not of this key, or it is of another version.
    """
    signature_uri = storage.join(uri, SIGNATURE)
    size = storage.size(signature_uri)
    if size is None:
        raise DataError(
            f"version {card.version} is not signed: no {signature_uri!r}; push it with push_sign_key, or verify "
            "without a key"
        )
    if size > _MOST_BYTES:
        raise DataError(f"{signature_uri!r} must have at most {_MOST_BYTES:,} bytes, got {size:,}")
    try:
        bundle = msgspec.json.decode(storage.read_bytes(signature_uri), type=_Bundle)
        payload = base64.b64decode(bundle.dsse_envelope.payload, validate=True)
        signed = [base64.b64decode(each.sig, validate=True) for each in bundle.dsse_envelope.signatures]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError) as error:
        raise DataError(f"{signature_uri!r} is no signature of a model: {error}; sign the version again") from error
    if (bundle.media_type, bundle.dsse_envelope.payload_type) != (_MEDIA_TYPE, _PAYLOAD_TYPE) or len(signed) != 1:
        raise DataError(f"{signature_uri!r} is a signature of another form; expected one in a bundle, {_MEDIA_TYPE}")
    if not _is_signed(payload, signed[0], key):
        of = bundle.verification_material.public_key.hint[:16]
        why = "its content was changed" if of == key_hint(key)[:16] else f"it is by another key, {of!r}"
        raise DataError(f"{signature_uri!r} is not by the key {key_hint(key)[:16]}: {why}; do not use version "
                        f"{card.version} before you know who changed it")  # fmt: skip
    if _signed_digests(payload, signature_uri) != _digests(card):
        raise DataError(
            f"{signature_uri!r} is of other files than {CARD} of version {card.version} names; do not use it before "
            "you know who changed it"
        )


def key_hint(key: "EllipticCurvePublicKey") -> str:
    """Returns the sha256 of a public key in PEM, by which signatures name it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _digests(card: ModelCard) -> dict[str, str]:
    """Returns the sha256 of each file of a version but the signature; a card is read only if it is canonical."""
    return dict(sorted({CARD: card.sha256, **card.files, **card.attachments}.items()))


def _signed_digests(payload: bytes, uri: str) -> dict[str, str]:
    try:
        statement = msgspec.json.decode(payload, type=_Statement)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{uri!r} signs something else than a model: {error}") from error
    if (statement.kind, statement.predicate_type) != (_STATEMENT_TYPE, _PREDICATE_TYPE):
        raise DataError(f"{uri!r} signs something else than a model, {statement.predicate_type[:80]!r}")
    return {each.name: each.digest for each in statement.predicate.resources if each.algorithm == "sha256"}


def _is_signed(payload: bytes, signed: bytes, key: "EllipticCurvePublicKey") -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key.verify(signed, _pre_authentication(payload), ec.ECDSA(_hash_of(key.curve.name)))
    except InvalidSignature:
        return False
    return True


def _hash_of(curve: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    return getattr(hashes, _HASHES[curve])()


def _pre_authentication(payload: bytes) -> bytes:
    """Returns what is signed: DSSE's encoding of a payload with its type."""
    return f"DSSEv1 {len(_PAYLOAD_TYPE)} {_PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def _key_bytes(name: str, path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_KEY_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{name} {path!r} cannot be read: {error.strerror}; {_how_to_make()}") from error
    if len(content) > _MOST_KEY_BYTES:
        raise SettingsError(f"{name} {path!r} is no key: it has more than {_MOST_KEY_BYTES:,} bytes")
    return content


def _how_to_make() -> str:
    return "openssl ecparam -name prime256v1 -genkey -noout -out KEY makes one"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
