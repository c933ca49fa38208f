"""The digest of a listing: equal for equal files in whatever order, and for nothing else; and when it was seen."""

import random

import pytest
from changing_source import ChangingSource

from components.contracts import SourceFile, WhyIgnored
from components.ignored import LeftOut
from pipeline.retrain.retraining import Decided
from pipeline.retrain.sightings import ListingDigest

FILES = [SourceFile(f"a/{number}.jpg", number, str(number)) for number in range(3000)]


def digest_of(files):
    digest = ListingDigest()
    digest.add_all(files)
    return digest.hexdigest(), digest.num_files


def test_the_order_does_not_count_nor_how_it_is_taken():
    shuffled = random.Random(0).sample(FILES, len(FILES))
    tee = ListingDigest()

    assert list(tee.add(iter(shuffled))) == shuffled
    assert digest_of(FILES) == digest_of(shuffled) == (tee.hexdigest(), tee.num_files)
    assert digest_of(FILES)[1] == 3000


@pytest.mark.parametrize(
    "files",
    [
        [],
        FILES[1:],
        [*FILES, FILES[0]],  # equal parts do not cancel out
        [*FILES, FILES[0], FILES[0]],
        [SourceFile("a/0.png", 0, "0"), *FILES[1:]],
        [SourceFile("a/0.jpg", 1, "0"), *FILES[1:]],
        [SourceFile("a/0.jpg", 0, "1"), *FILES[1:]],
        [SourceFile("a/0.jpg", 1, "1"), SourceFile("a/1.jpg", 0, "0"), *FILES[2:]],  # two have changed places
    ],
)
def test_another_listing_has_another_digest(files):
    assert digest_of(files)[0] != digest_of(FILES)[0]


def test_what_is_left_out_does_not_count_even_where_there_is_nothing_else():
    litter = [LeftOut(f".DS_Store{number}", WhyIgnored.HIDDEN) for number in range(3000)]

    assert digest_of([*litter, *FILES]) == digest_of(FILES)
    assert digest_of(litter) == digest_of([])


@pytest.mark.parametrize(("settings", "decided"), [({}, Decided.STARTED), ({"settle_minutes": 10}, Decided.SETTLING)])
def test_what_was_seen_by_a_clock_that_is_ahead_is_seen_anew(tmp_path, settings, decided):
    source = ChangingSource(tmp_path)
    source.clock.sleep(60 * 60 * 24 * 365)
    assert source.call(settle_minutes=10).decided is Decided.SETTLING
    source.clock.sleep(-60 * 60 * 24 * 365)

    assert source.call(**settings).decided is decided
    source.clock.sleep(11 * 60)
    assert source.call(settle_minutes=10).decided is (Decided.RUNNING if not settings else Decided.STARTED)
