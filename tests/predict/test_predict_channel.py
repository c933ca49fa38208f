"""Which model answers: the one of production, of another channel, or one version."""

import shutil
from pathlib import Path

import pytest
from model_cards import publish

from components.errors import SettingsError
from components.predict.pushed_model import find_model
from components.registry.promotion import promote


@pytest.fixture
def models_uri(tmp_path: Path) -> str:
    """A registry with version a in production, b in staging, and c in no channel."""
    uri = str(tmp_path / "models")
    publish(uri, "a", "b", "c")
    promote(uri, "a", "production")
    promote(uri, "b", "staging")
    return uri


@pytest.mark.parametrize(
    ("place", "channel", "version"),
    [
        ("", "", "a"),
        ("", "production", "a"),
        ("", "staging", "b"),
        ("/production.json", "staging", "b"),  # as somebody who completes paths may give it
        ("/versions/c", "", "c"),
        ("/versions/c/card.json", "", "c"),
    ],
)
def test_a_channel_names_the_model(models_uri, place, channel, version):
    assert find_model(models_uri + place, channel).card.version == version


@pytest.mark.parametrize(
    ("place", "channel", "message"),
    [
        ("", "customers", r"nothing is in channel 'customers' of .*; its channels are: production, staging"),
        ("", "../../etc", r"a channel is named by lower-case letters, digits, - and _"),
        ("/versions/c", "staging", r"is one version, so no channel 'staging' is asked for it; leave out --channel"),
        ("/nowhere", "", r"no model at .*nowhere"),
        ("/nowhere", "staging", r"nothing is in channel 'staging' of .*nowhere'; its channels are: none"),
    ],
)
def test_what_names_no_model_is_refused(models_uri, place, channel, message):
    with pytest.raises(SettingsError, match=message):
        find_model(models_uri + place, channel)


def test_a_channel_whose_version_is_gone_is_named(models_uri):
    shutil.rmtree(Path(models_uri, "versions", "b"))
    with pytest.raises(Exception, match=r"the version in staging is gone: no .*versions/b/card.json"):
        find_model(models_uri, "staging")
