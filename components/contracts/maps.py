"""plan → score → maps: what the steps of the scoring pipeline hand on."""

import msgspec

from components.contracts.document import Document


class MapShare(msgspec.Struct, frozen=True, kw_only=True):
    """One task's share of the windows: number `share` of `num_shares`."""

    share: int
    num_shares: int


class MapsPlan(Document, frozen=True, kw_only=True):
    """What is to be mapped, the same for all tasks: a model that moves into production meanwhile is not asked.

    Attributes:
      model_uri: The folder of one version.
      bands, window_px, overlap: As in components/maps/settings.py.
      shares: One for each task.
    """

    source_uri: str
    model_uri: str
    target_uri: str
    bands: str
    window_px: int
    overlap: float
    shares: tuple[MapShare, ...]


class MapShareDone(Document, frozen=True, kw_only=True):
    """What a task says when its share is there.

    Attributes:
      num_parts: Files of answers that belong to it.
    """

    share: int
    num_shares: int
    num_parts: int
