import pytest

from components.contracts import Decision, Rejection, SourceFile
from components.errors import DataError

DECISION = Decision(decision="push", reason="better", floor=0.5, candidate_macro_f1=0.25, difference=(0.1, 0.0, 0.2))


def test_a_document_survives_its_file(tmp_path):
    DECISION.write(tmp_path / "made" / "decision")

    assert Decision.read(tmp_path / "made" / "decision") == DECISION


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
        (DECISION.to_json()[:-20], "truncated|malformed"),
        (DECISION.to_json().replace(b"floor", b"flour"), "flour"),
        (DECISION.to_json().replace(b"0.25", b'"0.25"'), r"Expected `float`, got `str` - at `\$.candidate_macro_f1`"),
    ],
)
def test_anything_else_is_refused_with_where_it_came_from(text, message):
    with pytest.raises(DataError, match=f"^x.json is not a decision that this version can read: .*({message})"):
        Decision.from_json(text, "x.json")


def test_rejections_sort_by_tile():
    assert sorted([Rejection("b", "1"), Rejection("a", "2")])[0].tile_id == "a"


def test_a_source_file_is_a_short_array_in_partition_files():
    import msgspec

    assert msgspec.json.encode(SourceFile("a/b.jpg", 3, "7")) == b'["a/b.jpg",3,"7"]'
