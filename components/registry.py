"""The layout of models_uri: a folder for each pushed version, and the pointer to the version in production.

The pointer is `production.json` and moves by compare-and-swap.
"""

import os

from components import storage
from components.contracts import ModelCard, Production
from components.errors import AgrivisionError, DataError, SettingsError

CARD = "card.json"
POINTER = "production.json"
_VERSIONS = "versions"


def version_uri(models_uri: str, version: str) -> str:
    """Returns the URI of a version's folder."""
    return storage.join(models_uri, _VERSIONS, version)


def card_uri(models_uri: str, version: str) -> str:
    """Returns the URI of a version's card, which is written last: a version without a card does not exist."""
    return storage.join(version_uri(models_uri, version), CARD)


def pointer_uri(models_uri: str) -> str:
    """Returns the URI of the pointer to the version in production."""
    return storage.join(models_uri, POINTER)


def models_uri_of(uri: str) -> str:
    """Returns the models URI that a user means, who may have given the pointer in it or the folder of its versions.

    Raises:
      SettingsError: if it is empty, or a file.
    """
    if not uri:
        raise SettingsError("the models URI is empty; expected the models_uri of a pipeline that pushed")
    for ending in (f"/{POINTER}", f"/{_VERSIONS}", f"/{_VERSIONS}/"):
        uri = uri.removesuffix(ending)
    if not storage.is_remote(uri) and os.path.exists(uri) and not os.path.isdir(uri):
        raise SettingsError(f"{uri!r} is not a folder; expected the models_uri of a pipeline that pushed")
    return uri


def read_production(models_uri: str) -> tuple[Production | None, str | None]:
    """Returns what is in production, or None, and the token that move_production takes.

    Raises:
      DataError: if the pointer cannot be read.
    """
    uri = pointer_uri(models_uri)
    content, token = storage.read_pointer(uri)
    if content is None:
        return None, None
    return Production.from_json(content, uri), token


def require_production(models_uri: str, version: str | None, production: Production | None) -> None:
    """Checks that production is still the version that the model was evaluated against.

    Raises:
      AgrivisionError: if another push won.
    """
    current = production.version if production else None
    if current != version:
        raise AgrivisionError(
            f"another push won: production in {models_uri!r} is now {current or 'empty'}, but this model was evaluated "
            f"against {version or 'none'}; run evaluate, gate and push again"
        )


def move_production(models_uri: str, version: str, before: Production | None, token: str | None) -> None:
    """Points production at `version`, which must already be published, if `token` is still current.

    Raises:
      AgrivisionError: if it is not current: another push won.
    """
    after = Production(version=version)
    if before is not None:
        earlier = (*before.earlier, before.previous) if before.previous else before.earlier
        after = Production(version=version, previous=before.version, earlier=earlier)
    _swap(models_uri, after, before, token)


def rollback(models_uri: str) -> str:
    """Points production at the previous version and returns a line for the log; each further call goes back by one.

    Args:
      models_uri: As models_uri_of takes it.

    Raises:
      SettingsError: if nothing is in production, or there is no previous version.
      DataError: if the previous version is gone, or its card cannot be read.
      AgrivisionError: if somebody else moved production meanwhile.
    """
    models_uri = models_uri_of(models_uri)
    production, token = read_production(models_uri)
    if production is None:
        raise SettingsError(
            f"nothing is in production in {models_uri!r}; is it the models_uri of a pipeline that pushed?"
        )
    target = production.previous
    if target is None:
        raise SettingsError(f"no version was in production in {models_uri!r} before {production.version}")
    if not storage.exists(card_uri(models_uri, target)):
        raise DataError(f"version {target} is no longer in {models_uri!r}; production stays at {production.version}")
    target_card = card_uri(models_uri, target)
    try:
        ModelCard.from_json(storage.read_bytes(target_card), target_card)
    except DataError as error:
        raise DataError(f"production stays at {production.version}: {error}") from error
    earlier = production.earlier
    after = Production(version=target, previous=earlier[-1] if earlier else None, earlier=earlier[:-1])
    _swap(models_uri, after, production, token)
    return f"production is now {target}, before it was {production.version}"


def _swap(models_uri: str, after: Production, before: Production | None, token: str | None) -> None:
    try:
        storage.compare_and_swap(pointer_uri(models_uri), token, after.to_json())
    except storage.Conflict as error:
        winner, _ = read_production(models_uri)
        if winner == after:  # a twin pushed the same version: the work is done
            return
        require_production(models_uri, before.version if before else None, winner)
        raise AgrivisionError(f"production in {models_uri!r} was moved meanwhile and moved back; try again") from error
