import hashlib
import json

import msgspec
import pytest
from model_cards import card_of

from components.contracts import Calibration, Decision, Document, ModelCard, Rejection, SourceFile
from components.contracts.weaknesses import Slices
from components.errors import DataError

DECISION = Decision(decision="push", reason="better", floor=0.5, candidate_macro_f1=0.25, difference=(0.1, 0.0, 0.2))


class Rejected(Document, frozen=True, kw_only=True):
    tile_id: str


def test_a_document_survives_its_file(tmp_path):
    DECISION.write(tmp_path / "made" / "decision")

    assert Decision.read(tmp_path / "made" / "decision") == DECISION


def test_a_card_of_an_earlier_version_has_no_calibration_and_is_always_sure():
    earlier = json.loads(card_of("v1").to_json())
    for name in ("checksum", "calibration", "not_sure"):
        del earlier[name]

    content = json.dumps(earlier, indent=1).removesuffix("\n}").encode()
    checksum = hashlib.sha256(content).hexdigest().encode()

    card = ModelCard.from_json(content + b',\n "checksum": "' + checksum + b'"\n}\n', "card.json")

    assert (card.calibration, card.not_sure) == (Calibration(), None)
    assert card == card_of("v1")


def test_equal_documents_are_equal_bytes_whatever_the_order_of_their_fields():
    again = Decision(difference=(0.1, 0.0, 0.2), candidate_macro_f1=0.25, floor=0.5, reason="better", decision="push")

    assert again.to_json() == DECISION.to_json()
    assert again.sha256 == DECISION.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"decision": "push"}', "missing required field `reason`"),
        (b'{"decision": "push", "reason": "better", "flour": 0.5, "candidate_macro_f1": 0.25}', "flour"),
        (
            b'{"decision": "push", "reason": "better", "floor": 0.5, "candidate_macro_f1": "0.25"}',
            r"Expected `float`, got `str` - at `\$.candidate_macro_f1`",
        ),
        (Rejected(tile_id="a").to_json(), "tile_id"),
    ],
)
def test_anything_else_is_refused_with_where_it_came_from(text, message):
    with pytest.raises(DataError, match=f"^x.json is not a decision that this version can read: .*({message})"):
        Decision.from_json(text, "x.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"0.25", b"0.26"),
        lambda text: text.replace(b"push", b"posh"),
        lambda text: text[:-20],
        lambda text: text[:-1],
        lambda text: text + b"\n",
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: json.dumps(json.loads(text)).encode(),
        lambda text: text[:-5] + (b"0" if text[-5:-4] != b"0" else b"1") + text[-4:],
    ],
    ids=["digit", "letter", "cut", "cut by a byte", "longer", "line ends", "reformatted", "checksum"],
)
def test_a_changed_document_is_refused_with_the_way_out(change):
    with pytest.raises(DataError, match=r"^x.json is not the decision that was written: .*; restore it, or remove it"):
        Decision.from_json(change(DECISION.to_json()), "x.json")


def test_a_document_without_checksum_is_refused_with_the_way_out():
    bare = json.loads(DECISION.to_json())
    del bare["checksum"]

    with pytest.raises(DataError, match=r"^x.json has no checksum: it was written by hand .*; restore it, or remove"):
        Decision.from_json(json.dumps(bare).encode(), "x.json")


def test_the_checksum_is_that_of_the_lines_above_it_and_the_rest_is_plain_json():
    text = DECISION.to_json()
    above, _, line = text.removesuffix(b"\n}\n").rpartition(b",\n")

    assert json.loads(b"{" + line + b"}") == {"checksum": hashlib.sha256(above).hexdigest()}
    assert json.loads(above + b"}") == msgspec.to_builtins(DECISION) | {"difference": [0.1, 0.0, 0.2]}
    assert DECISION.sha256 == hashlib.sha256(text).hexdigest()


def test_rejections_sort_by_tile():
    assert sorted([Rejection("b", "1"), Rejection("a", "2")])[0].tile_id == "a"


def test_a_source_file_is_a_short_array_in_partition_files():
    assert msgspec.json.encode(SourceFile("a/b.jpg", 3, "7")) == b'["a/b.jpg",3,"7"]'


@pytest.mark.hostile
@pytest.mark.parametrize("worst", [-1, 0, 10**12])
def test_a_worst_slice_that_is_not_there_is_refused_where_it_is_read(worst):
    text = msgspec.json.encode({"scores": [], "worst": worst})
    with pytest.raises(msgspec.ValidationError, match=f"worst is {worst}, but there are 0 scores"):
        msgspec.json.decode(text, type=Slices)
