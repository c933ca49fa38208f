"""The settings of the push step."""

import dataclasses

from components.push.exports.kinds import KINDS, ExportKind, parse_kinds
from components.setting import check_settings, setting

# The object of the run form that holds what is rarely changed; it has settings of evaluate and gate, too.
OPTIONS = "gate_options"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushSettings:
    """What is published beside the SavedModel.

    Raises:
      SettingsError: For an unknown format.
    """

    exports: str = setting(
        "",
        f"Other formats to publish the model in, with commas between them: any of {', '.join(KINDS)}; empty for none. "
        "onnx and qgis need the extra `onnx`. A format that does not answer as the model does is left out, and the "
        "card says why.",
        may_be_empty=True,
        group=OPTIONS,
    )

    sign_key: str = setting(
        "",
        "Path of a private key, ECDSA in PEM without a password, that signs the version; on a cluster in a mounted "
        "secret. Empty for no signature.",
        may_be_empty=True,
        group=OPTIONS,
    )

    def __post_init__(self) -> None:
        check_settings(self, "push_")
        parse_kinds("push_exports", self.exports)

    @property
    def kinds(self) -> tuple[ExportKind, ...]:
        """The formats, in the order of KINDS."""
        return parse_kinds("push_exports", self.exports)
