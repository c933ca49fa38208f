"""`agrivision models` as a user meets it."""

import json

import msgspec
import pytest
from command_here import agrivision_here
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from model_cards import card_of

from components import storage
from components.contracts import ClassScores, DenseScores, ModelCard, Scores
from components.registry import card_uri
from components.registry.promotion import promote
from components.registry.signature import SIGNATURE, key_hint, signature_of


@pytest.fixture
def models_uri(tmp_path):
    """Version b is better than a, at water; c has a card that nobody can read."""
    uri = str(tmp_path / "models")
    for version, f1, epochs in (("a", 0.61, 10), ("b", 0.72, 20)):
        of_class = ClassScores(threshold=0.5, precision=f1, recall=f1, f1=f1, average_precision=f1, support=9)
        scores = Scores(macro_f1=f1, macro_precision=f1, macro_recall=f1, map=f1, per_class={"water": of_class})
        card = msgspec.structs.replace(card_of(version), scores=scores, config={"epochs": epochs})
        storage.write_bytes(card_uri(uri, version), card.to_json())
    storage.write_bytes(card_uri(uri, "c"), b"{")
    promote(uri, "a", "production", why="the first")
    promote(uri, "b", "production", why="better by 0.11")
    promote(uri, "a", "staging")
    return uri


def test_a_list_shows_scores_channels_and_what_cannot_be_read(models_uri):
    result = agrivision_here("models", "list", models_uri)
    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "0.610" in rows["a"]
    assert rows["a"].endswith("staging")
    assert rows["b"].endswith("production")
    assert "! " in rows["c"]
    parsed = {row["version"]: row for row in json.loads(agrivision_here("models", "list", models_uri, "--json").stdout)}
    assert (parsed["b"]["macro_f1"], parsed["b"]["channels"]) == (0.72, ["production"])


def test_an_empty_registry_is_said(tmp_path):
    result = agrivision_here("models", "list", tmp_path)
    assert (result.returncode, result.stdout) == (0, f"no versions in {tmp_path}\n")


def test_a_version_is_shown_with_its_history(models_uri):
    shown = agrivision_here("models", "show", models_uri).stdout
    assert "version b, in production" in shown
    assert "macro F1 0.720" in shown
    assert "**Licence of the data**: not stated" in shown
    assert "| `water` | 0.720 | 0.720 | 0.720 | 9 |" in shown
    assert "promote  a -> b" in shown
    assert "better by 0.11" in shown
    card = json.loads(agrivision_here("models", "show", models_uri, "a", "--json").stdout)
    assert card["version"] == "a"


def test_a_version_is_shown_with_its_signature_if_that_is_asked_for(models_uri, tmp_path):
    private = ec.generate_private_key(ec.SECP256R1())
    public = tmp_path / "key.pub"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    folder = card_uri(models_uri, "b").removesuffix("/card.json")
    unsigned = agrivision_here("models", "show", models_uri, "--verify-key", public)
    storage.write_bytes(f"{folder}/{SIGNATURE}", signature_of(ModelCard.read(f"{folder}/card.json"), private))
    signed = agrivision_here("models", "show", models_uri, "--verify-key", public)
    no_key = agrivision_here("models", "show", models_uri, "--verify-key", f"{folder}/card.json")

    assert (unsigned.returncode, signed.returncode, no_key.returncode) == (42, 0, 2)
    assert "version b is not signed" in unsigned.stderr
    assert f"card.json is signed by the key {key_hint(private.public_key())[:16]}" in signed.stdout
    assert "is no public key in PEM" in no_key.stderr


def test_two_versions_differ_in_settings_and_scores(models_uri):
    lines = agrivision_here("models", "diff", models_uri, "staging", "production").stdout.splitlines()
    cells = [line.split() for line in lines]
    assert cells[0] == ["a", "b", "CHANGE"]
    assert ["epochs", "10", "20"] in cells
    assert ["F1", "of", "water", "0.61", "0.72", "+0.11"] in cells
    assert "do not differ" in agrivision_here("models", "diff", models_uri, "a", "a").stdout


def test_the_score_of_maps_is_shown_and_compared(models_uri):
    assert "mean IoU" not in agrivision_here("models", "show", models_uri, "a").stdout
    for version, mean_iou in (("a", 0.5), ("b", 0.75)):
        dense = DenseScores(
            mean_iou=mean_iou,
            interval=(mean_iou - 0.1, mean_iou + 0.1),
            background_iou=None,
            class_iou={"water": mean_iou},
            thresholds=(0.5,),
            num_pixels=9,
        )
        card = ModelCard.from_json(storage.read_bytes(card_uri(models_uri, version)), version)
        storage.write_bytes(card_uri(models_uri, version), msgspec.structs.replace(card, dense=dense).to_json())
    assert "overlap-aware mean IoU 0.500" in agrivision_here("models", "show", models_uri, "a").stdout
    lines = agrivision_here("models", "diff", models_uri, "a", "b").stdout.splitlines()
    assert ["mean", "IoU", "of", "maps", "0.5", "0.75", "+0.25"] in [line.split() for line in lines]


def test_promotion_rollback_and_removal_by_command(models_uri):
    assert agrivision_here("models", "promote", models_uri, "production", "--channel", "staging").stdout == (
        "staging is now b, before it was a\n"
    )
    assert agrivision_here("models", "rollback", models_uri, "--channel", "staging").stdout == (
        "staging is now a, before it was b\n"
    )
    refused = agrivision_here("models", "remove", models_uri, "a")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "version a is in staging; promote another one before" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["show", "{}", "x"], 2, "neither a version nor a channel 'x' in"),
        (["show", "{}", "c"], 42, "card.json is not a model card"),
        (["promote", "{}", "b", "--channel", "Up"], 2, "a channel is named by lower-case letters"),
        (["rollback", "{}", "--channel", "nothing"], 2, "nothing is in nothing in"),
        (["remove", "{}", "../../etc"], 2, "no version '../../etc' in"),
        (
            ["remove", "{}", "a", "--retention-days", "400000"],
            2,
            "the retention must be at most 36,500 days, got 400,000",
        ),
        (["remove", "{}", "a", "--retention-days", f"{10**12}"], 2, "the retention must be at most 36,500 days"),
    ],
)
def test_what_cannot_be_done_is_one_line(models_uri, arguments, exit_code, message):
    result = agrivision_here("models", *(each.format(models_uri) for each in arguments))
    assert result.returncode == exit_code, result.stderr
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_a_registry_is_named_as_a_file_uri_as_everywhere(models_uri):
    shown = agrivision_here("models", "list", f"file://{models_uri}")
    assert shown.stdout == agrivision_here("models", "list", models_uri).stdout
    assert shown.returncode == 0
