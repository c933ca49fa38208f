"""claims.yaml: the claims, read and checked, with the digest that every result carries."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from components.contracts.study import STUDY_NAME_PATTERN
from components.errors import DataError
from components.printable import printable
from components.storage.hand_written import parse_hand_written, read_hand_written
from components.study.claims.claim import Claim

CLAIMS_PATH = Path(__file__).with_name("claims.yaml")
FAMILY_ALPHA = 0.05  # the chance that any verdict of the page is wrong


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All claims of the study, in the order of its page."""

    claims: tuple[Claim, ...]

    def __post_init__(self) -> None:
        if not self.claims:
            raise ValueError("claims must not be empty")
        ids = [claim.id for claim in self.claims]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"the id {twice[0]!r} must be that of one claim, got {ids.count(twice[0])}")

    @property
    def by_id(self) -> Mapping[str, Claim]:
        """The claims by their ids."""
        return {claim.id: claim for claim in self.claims}

    @property
    def sha256(self) -> str:
        """Names the claims: it changes with every word and number of them, and not with comments of the file."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @property
    def alpha(self) -> float:
        """The probability that the interval of one claim may miss: 5 % divided by the claims that have intervals.

        So all intervals of the page are right at once with 95 %, whatever the experiments have in common (Bonferroni).
        Holm's procedure would reject a little more, but has no intervals that agree with its verdicts.
        """
        return FAMILY_ALPHA / max(1, sum(claim.how_judged.has_interval for claim in self.claims))


def read_claims(path: Path = CLAIMS_PATH) -> Claims:
    """Returns the claims of a file.

    Raises:
      DataError: if it is not such a file; names the claim and what is wrong with it, in one line.
    """
    try:
        content = read_hand_written(str(path))
    except OSError as error:
        raise DataError(f"cannot read the claims in {str(path)!r}: {error}") from error
    try:
        return msgspec.convert(parse_hand_written(content), Claims)
    except ValueError as error:
        fault = str(error).replace(f"matching regex {STUDY_NAME_PATTERN!r}", "of a-z, 0-9 and _")
        raise DataError(f"{path} holds no claims that this version can read: {printable(fault)}") from error
