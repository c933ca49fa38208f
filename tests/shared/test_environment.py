"""What is read of the environment, where a value may be wrong."""

import pytest

from components import environment


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a" * 40, "a" * 40),
        ("A" * 40, "a" * 40),
        ("b" * 64, "b" * 64),  # of a repository with sha256
        ("unknown", ""),  # of an image that was built outside a checkout
        ("a" * 39, ""),
        ("a" * 40 + "\n", ""),
        ("", ""),
    ],
)
def test_a_commit_is_one_or_unknown(monkeypatch, value, expected):
    monkeypatch.setenv("AGRIVISION_COMMIT", value)
    environment.set_commit("c" * 40)  # which an image has said already

    assert environment.commit() == expected


def test_a_checkout_says_what_no_image_has(monkeypatch):
    monkeypatch.setenv("AGRIVISION_COMMIT", "x")
    monkeypatch.delenv("AGRIVISION_COMMIT")
    environment.set_commit("c" * 40)

    assert environment.commit() == "c" * 40
    monkeypatch.delenv("AGRIVISION_COMMIT")
