"""What data_root remembers of a request for a dataset, so that a run can tell whether its files are still there."""

from typing import Annotated, ClassVar, TypeAlias

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import Sha256

# <first digits of the request's sha256>-<random digits>; empty where Kubeflow's cache must not be trusted.
CacheToken: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A\Z|\A[0-9a-f]{16}-[0-9a-f]{16}\Z")]


class KnownListing(Document, frozen=True, kw_only=True):
    """`requests/<request>/listing.json`: what ingest found when it was last asked with equal parameters.

    Attributes:
      token: What ingest was given for Kubeflow's cache; empty if it gave two answers under one token.
      inventory_sha256: The inventory, kept as `documents/<sha256>.json`.
    """

    way_out: ClassVar[str] = "remove it: the next run lists the source again"

    format_version: int = FORMAT_VERSION
    token: CacheToken
    inventory_sha256: Sha256


class KnownDataset(Document, frozen=True, kw_only=True):
    """`requests/<request>/dataset.json`: the dataset that merge last made of such an inventory.

    Attributes:
      token: As that of the listing, for shard and merge.
      inventory_sha256: What the dataset was made from.
      manifest_sha256: The dataset, whose folder is named by the start of it.
    """

    way_out: ClassVar[str] = "remove it: the next run makes the dataset again"

    format_version: int = FORMAT_VERSION
    token: CacheToken
    inventory_sha256: Sha256
    manifest_sha256: Sha256
