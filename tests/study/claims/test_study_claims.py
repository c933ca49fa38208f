"""The claims are the original's, in two languages, each with a rule; a file that says anything else is refused."""

import re

import msgspec
import pytest
import yaml

from components.errors import DataError
from components.study.claims.claim import EXPERIMENTS
from components.study.claims.claims_file import CLAIMS_PATH, FAMILY_ALPHA, read_claims
from components.study.claims.rules import RULES

CLAIMS = read_claims()
# Of the claims as they were committed before any result. Whoever changes it makes all results be measured again.
DIGEST = "194811b468a16adeffbb796f9038c70ddd27ff76e58f502077bb808549a2e34b"

# What the issue lists, and the claims that say it.
LISTED = {
    "data beyond memory can be trained": {"larger_than_memory"},
    "TFRecord faster than folders, and by how much": {
        "tfrecord_faster_cpu",
        "tfrecord_faster_gpu",
        "tfrecord_faster_with_strategy",
        "binary_format_is_why",
    },
    "sharded TFRecords better": {"partitioned_tfrecord_better"},
    "GPU worth it": {"gpu_worth_it"},
    "conversion pays": {"conversion_pays"},
    "a generator holds one batch": {"generator_holds_one_batch"},
    "compressed images beat their decoding cost": {"compressed_images_pay"},
    "Mirrored on one device competitive": {"strategy_competitive"},
    "averaged SGD slightly worse per sample": {"averaged_sgd_worse", "averaged_sgd_faster"},
    "delayed SGD": {"delayed_sgd_converges"},
    "hybrid premise": {"convolutions_hold_computing", "dense_layers_hold_weights", "hybrid_moves_less"},
    "larger batches hurt": {"larger_batches_worse", "larger_batches_faster"},
    "augmentation trades training for test accuracy": {"augmentation_helps_test", "augmentation_costs_training"},
    "few epochs avoid overfitting": {"few_epochs_avoid_overfitting"},
    "ResNet50 and MobileNet bad, NASNetLarge good": {"resnet50_bad", "mobilenet_bad", "nasnetlarge_good"},
    "cost": {"infrastructure_costly"},
    "future work": {"more_workers_faster"},
}


def test_each_claim_of_the_original_is_there_and_no_other():
    assert {name for names in LISTED.values() for name in names} == {claim.id for claim in CLAIMS.claims}


def test_the_claims_are_those_that_were_committed_before_any_result():
    assert CLAIMS.sha256 == DIGEST


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("tfrecord_faster_cpu", (20 / 12, 12 / 7)),
        ("tfrecord_faster_gpu", (57.29 / 26.36, 12 / 5.23)),
        ("tfrecord_faster_with_strategy", (62.5 / 55,)),
        ("gpu_worth_it", (12 * 60 / 12,)),
    ],
)
def test_the_ratios_of_the_original_are_those_of_its_times(name, theirs):
    assert CLAIMS.by_id[name].theirs == pytest.approx(theirs, abs=0.006)


def test_spanish_is_written_as_in_spanish():
    """Decimal commas, and numbers as in the English text."""
    for claim in CLAIMS.claims:
        for words in (claim.where, claim.claim, claim.figure, claim.shown, claim.effect):
            if words is not None:
                assert not re.search(r"\d\.\d(?!\d\d)", words.spanish), words.spanish


def test_chance_is_shared_out_among_the_claims_that_it_has_a_part_in():
    with_interval = [claim for claim in CLAIMS.claims if claim.how_judged.has_interval]

    assert 0 < len(with_interval) < len(CLAIMS.claims)
    assert CLAIMS.alpha * len(with_interval) == pytest.approx(FAMILY_ALPHA)


def test_each_rule_and_experiment_is_one_that_is_known():
    assert {claim.rule for claim in CLAIMS.claims} <= set(RULES)
    assert {claim.experiment for claim in CLAIMS.claims} == set(EXPERIMENTS)


def changed(**values):
    """Returns the text of a file with one claim, some of whose keys are changed; None removes one."""
    claim = msgspec.to_builtins(CLAIMS.by_id["tfrecord_faster_cpu"]) | values
    return yaml.safe_dump({"claims": [{key: value for key, value in claim.items() if value is not None}]})


WORDS = {"english": "a", "spanish": "b"}
ONE = changed()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(bond=1.1), "Object contains unknown field `bond`"),
        (changed(claim={"english": "a"}), r"missing required field `spanish` - at `\$.claims\[0\].claim`"),
        (changed(claim=WORDS | {"french": "c"}), "unknown field `french`"),
        (changed(claim=WORDS | {"spanish": " "}), "spanish must not be empty"),
        (changed(claim=WORDS | {"english": "a\nb"}), r"english must be printable and on one line, got 'a\\nb'"),
        (changed(claim=WORDS | {"english": "\u202eb"}), r"must be printable and on one line, got '\\u202eb'"),
        (changed(id="TFRecord faster"), "Expected `str` of a-z, 0-9 and _"),
        (changed(rule="time_ratio"), "unknown rule 'time_ratio'; expected one of time_ratio_at_least, "),
        (changed(experiment="format"), "unknown experiment 'format'; expected one of augmentation, "),
        (changed(unit="seconds"), "unknown unit 'seconds'; expected one of times, "),
        (changed(bound=None), "rule time_ratio_at_least needs a bound that is a number, got None"),
        (changed(bound=float("nan")), "nan is no amount"),
        (changed(bound="1.05"), "Expected `float . null`, got `str`"),
        (changed(bound=-1.0), "the bound of a ratio must be above 0, got -1"),
        (changed(theirs=[float("inf")]), "inf is no amount"),
        (changed(figure=None), "theirs must come with the figure in words"),
        (changed(claimed=["a"]), "rule time_ratio_at_least has a bound, not claimed and control"),
        (changed(rule="checks"), "rule checks needs claimed and control, each name once, and no bound"),
        (changed(rule="checks", bound=None, claimed=["a"]), "rule checks needs claimed and control"),
        (changed(rule="checks", bound=None, claimed=["a"], control=["a"]), "each name once"),
        (ONE + ONE.removeprefix("claims:\n"), "the id 'tfrecord_faster_cpu' must be that of one claim, got 2"),
        (ONE.replace("  unit: times", "  unit: times\n  unit: share"), "it has 'unit' more than once"),
        ("claims: []", "claims must not be empty"),
        ("", "Expected `object`, got `null`"),
        ("claims: 3", "Expected `array`, got `int`"),
        ("claims: [", "while parsing a flow node"),
        ("a: &a [1]\nclaims: [*a]", r"it has aliases \(\*name\); write them out"),
        ("claims: " + "[" * 500, "claims.yaml holds no claims"),
        ("claims: !!python/object:os.system {}", "could not determine a constructor"),
        ("claims: " + "1" * 5_000, "holds no claims that this version can read"),
        ("# " + "x" * (1 << 20), "it has more than 262,144 bytes"),
        (b"\xff", "holds no claims that this version can read: .*utf-8"),
        (None, "cannot read the claims in .*No such file"),
    ],
)
def test_a_file_that_is_not_as_it_must_be_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "claims.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(DataError, match=message) as caught:
        read_claims(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# Why these bounds.", "# Bounds.", True),
        ("bound: 1.05", "bound: 1.04", False),
        ("holds one batch in memory", "holds a batch in memory", False),
        ("con datos que no caben", "con datos que no caben del todo", False),
        ("theirs: [1.67, 1.71]", "theirs: [1.67, 1.72]", False),
    ],
)
def test_the_digest_follows_from_what_is_claimed_and_not_from_remarks(tmp_path, old, new, same):
    text = CLAIMS_PATH.read_text()
    assert old in text
    path = tmp_path / "claims.yaml"
    path.write_text(text.replace(old, new, 1))

    assert (read_claims(path).sha256 == DIGEST) is same
