"""Which model is to be served: the one that a channel names, or the one of a version's folder."""

import dataclasses
from typing import TYPE_CHECKING

from components import storage
from components.errors import DataError, SettingsError
from components.predict.pushed_model import PushedModel, find_model
from components.registry import CARD, models_uri_of, version_uri
from components.registry.channels import read_channel
from components.registry.signature import check_signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey


@dataclasses.dataclass(frozen=True)
class WantedModel:
    """Tells where the model is, again and again.

    Attributes:
      uri: A models URI, or the folder of one version.
      channel: Of the models URI.
      expect_sha256: What the version's card must be, which names the digests of all its files; empty for any.
      verify_key: What the version must be signed by; None if it need not be.
    """

    uri: str
    channel: str
    expect_sha256: str = ""
    verify_key: "EllipticCurvePublicKey | None" = None

    def find(self) -> PushedModel:
        """Returns the model that is to be served now.

        Raises:
          SettingsError: if there is none.
          DataError: if its card or the pointer to it cannot be read, or it is gone.
          UnreachableError: if the bucket does not answer.
        """
        folder = self.uri.removesuffix(f"/{CARD}")
        if storage.exists(storage.join(folder, CARD)):
            return self._expected(find_model(folder))
        models_uri = models_uri_of(self.uri)
        state, _ = read_channel(models_uri, self.channel)
        if state is None or state.version is None:
            raise SettingsError(
                f"no model at {self.uri!r}: it has neither a channel {self.channel!r} that names a version nor {CARD}; "
                "expected the models_uri of a pipeline that pushed, or the folder of one version in it"
            )
        folder = version_uri(models_uri, state.version)
        if not storage.exists(storage.join(folder, CARD)):
            raise DataError(f"{self.channel} names version {state.version}, which is gone: no {folder!r}; roll back")
        model = find_model(folder)
        if model.card.version != state.version:
            raise DataError(f"{folder!r} has the card of version {model.card.version}; restore it, or roll back")
        return self._expected(model)

    def _expected(self, model: PushedModel) -> PushedModel:
        # A document is read only if it is canonical, so these are the bytes of the file.
        if self.expect_sha256 and model.card.sha256 != self.expect_sha256:
            raise DataError(
                f"the {CARD} of version {model.card.version} has sha256 {model.card.sha256}, and --expect-sha256 says "
                f"{self.expect_sha256}: it is not the version that was meant; give it the right one, or restore it"
            )
        if self.verify_key is not None:
            check_signature(model.uri, model.card, self.verify_key)
        return model
