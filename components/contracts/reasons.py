"""Why a file of a source belongs to no tile."""

import enum


class WhyIgnored(enum.Enum):
    """A reason; its value is its name in documents.

    Attributes:
      text: What such a file is, in a few words.
      is_loud: Whether the log counts it; the others are in the reports, or the log has another line for them.
      is_limited: Whether it counts towards `ingest_max_ignored_fraction`.
      is_file: Whether it is a file; the others are folders.
    """

    NOT_READ = "not-read", "not an image that is read", "L"
    DOCUMENT = "document", "a document, not an image", "L"
    NO_TILE = "no-tile", "a label or a mask that matches no tile", "L"
    ELSEWHERE = "elsewhere", "an image in no folder of the layout", "L"
    LINK_TO_NOTHING = "link-to-nothing", "a link to nothing", "L"
    SPECIAL = "special", "a FIFO, a socket or a device", "L"
    SIDECAR = "sidecar", "a document beside the image of its name", "said"
    OTHER_CLASS = "other-class", "of a class that is not in the class list", "quiet"
    UNLABELLED = "unlabelled", "of a split without labels", "quiet"
    EMPTY_FOLDER = "empty-folder", "an empty class folder", "said folder"  # others are of no interest
    LINKED_AGAIN = "linked-again", "a link to a folder that is listed anyway", "quiet folder"
    LITTER = "litter", "litter of an operating system", "quiet"
    HIDDEN = "hidden", "hidden", "quiet"

    text: str
    is_loud: bool
    is_limited: bool
    is_file: bool

    def __new__(cls, value: str, text: str, manner: str) -> "WhyIgnored":
        """Makes a member; `manner` says "L" if it is limited, "quiet" if it is not in the log, "folder" if no file."""
        member = object.__new__(cls)
        member._value_ = value
        member.text = text
        member.is_limited = manner == "L"
        member.is_loud = "quiet" not in manner
        member.is_file = "folder" not in manner
        return member
