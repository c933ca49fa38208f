"""The report of an evaluation: what it says, what it leaves out, and that it stays small."""

import io
import re
import time

import msgspec
import numpy as np
import pytest
from PIL import Image
from simulated_findings import MappingModel, class_names, simulated
from sklearn.metrics import precision_recall_curve

from components.contracts import Doubt
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION
from components.evaluate.report.curves import precision_recall
from components.evaluate.report.doubts import chosen_doubts
from components.evaluate.report.overview import DOUBTFUL, FALSE_ALARM, FOUND, MISSED, look_over
from components.evaluate.report.page import write_report
from components.evaluate.report.pictures import AGAINST_COLOUR, FOR_COLOUR, ShownTile, picture
from components.evaluate.report.whiskers import Dot, Row, around_zero, whiskers
from components.records.tile_record import Record
from components.scoring.rank_bins import BinCounts, count_bins, rank_edges


def page_of(found, root, model=None):
    write_report(found, str(root), model or MappingModel(), root / "report.html")
    return (root / "report.html").read_text()


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    """Findings on nine classes, and the page."""
    root = tmp_path_factory.mktemp("nine")
    found = simulated(root)
    return found, root, page_of(found, root)


def text_of(page):
    """Returns the page's words, without markup and pictures."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("</head>")[2]))


def test_every_section_is_there(nine):
    _, _, page = nine
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == [
        "By class",
        "Compared with version 3f2a1b, in production",
        "Confusion matrix: columns true, rows predicted",
        "Ranking, at any threshold",
        "Calibration: can its probabilities be taken at their word?",
        "Not sure is an answer",
        "Slices: where is it weak?",
        "Robustness: what if the images are not as they should be?",
        "Right and wrong",
        "Labels that the model doubts",
    ]


def test_a_class_without_test_tiles_has_dashes_and_no_zero(nine):
    found, _, page = nine
    assert found.evaluation.candidate.per_class["drydown"].support == 0
    cells = re.search(r"<td>drydown</td>((?:<td>[^<]*</td>)+)</tr>", page)
    assert cells is not None
    assert re.findall("<td>(.*?)</td>", cells[1]) == ["–", "–", "–", "–", "0", "0", "0.500"]


def test_every_score_of_a_class_has_its_interval_below(nine):
    found, _, page = nine
    scores = found.evaluation.candidate.per_class["endrow"]
    low, high = scores.intervals["average_precision"]
    assert f"<td>{scores.average_precision:.3f}<small>{low:.2f}–{high:.2f}</small></td>" in page


def test_the_headline_says_what_the_test_set_can_find(nine, tmp_path):
    _, _, page = nine
    compared = re.search(r"a macro F1 higher by 0\.(\d+) or more is found in 80% of cases, at the 2%", text_of(page))
    assert compared is not None
    assert "how much the two models differ from field to field, in 40 fields" in page
    alone = text_of(page_of(simulated(tmp_path, has_production=False), tmp_path))
    assert "if the model in production were as good as this one and erred independently of it" in alone
    assert "Nothing in production yet" in alone
    assert "Compared with version" not in alone


def test_few_fields_are_said_to_show_nothing(tmp_path):
    found = simulated(tmp_path, num_fields=5, has_production=False)
    assert "This test set is too small to compare models on: 5 fields cannot show" in page_of(found, tmp_path)


def test_the_worst_slice_is_named_and_set_in_bold(nine):
    _, _, page = nine
    assert "The worst: year 2019 (120 tiles of 12 fields), -0.120 macro F1 (-0.17 to -0.06)" in page
    assert re.findall("<strong>(.*?)</strong>", page) == ["2019"]


def test_an_evaluation_of_an_earlier_version_has_fewer_sections(tmp_path):
    found = simulated(tmp_path, has_weaknesses=False)
    found = type(found)(
        **{**vars(found), "evaluation": msgspec.structs.replace(found.evaluation, reliability=None, not_sure=None)}
    )
    page = page_of(found, tmp_path)
    for word in ("Calibration", "Not sure", "Slices", "Robustness", "doubts"):
        assert f"<h2>{word}" not in page


def test_equal_findings_give_equal_bytes(nine, tmp_path):
    _, _, page = nine
    assert page_of(simulated(tmp_path), tmp_path) == page


def test_an_export_without_maps_shows_the_bands_and_says_so(nine, tmp_path):
    _, _, page = nine
    assert "under the class-activation map" in page
    without = page_of(simulated(tmp_path), tmp_path, MappingModel(has_maps=False))
    assert "The export has no class-activation maps" in without
    assert without.count("data:image/jpeg") == page.count("data:image/jpeg")


def test_names_become_no_markup(tmp_path):
    names = tuple(f"<script>alert({number})</script>$x_1$" for number in range(9))
    page = page_of(simulated(tmp_path, names=names), tmp_path)
    assert "<script" not in page
    assert "&lt;script&gt;alert(3)" in page


@pytest.mark.long
def test_of_300_classes_the_report_is_small_and_quick_and_says_what_it_leaves_out(tmp_path):
    found = simulated(tmp_path, 300, 600)
    start = time.process_time()
    page = page_of(found, tmp_path)
    assert time.process_time() - start < 40  # about 4 s on one idle core
    assert len(page) < 5e6
    for text in (
        "Of 299 classes, the 20 with the lowest; the others are left out",
        "Of 300 classes, the 9 with the lowest F1; the others are left out",
        "All 300 classes",
        "The most frequent confusions",
    ):
        assert text in page
    outside = re.sub("<details>.*?</details>", "", page, flags=re.DOTALL)
    assert len(set(re.findall(r"pattern_\d{3}", outside))) < 250  # the rest is below folds


def test_a_pass_finds_the_surest_and_the_worst_tiles(nine):
    found, _, _ = nine
    tiles, c = found.tiles, 8
    labels, probabilities = tiles.labels[:, c], tiles.probabilities[:, c]
    predicted = probabilities >= 0.5
    seen = look_over(tiles, found.evaluation.thresholds, [c])
    rows = {tile.outcome: tile.row for tile in seen.tiles}
    assert probabilities[rows[FOUND]] == probabilities[labels & predicted].max()
    if (labels & ~predicted).any():
        assert probabilities[rows[MISSED]] == probabilities[labels & ~predicted].min()
    if (predicted & ~labels).any():
        assert probabilities[rows[FALSE_ALARM]] == probabilities[predicted & ~labels].max()
    if DOUBTFUL in rows:
        assert abs(probabilities[rows[DOUBTFUL]] - 0.5) == np.abs(probabilities - 0.5).min()
    background = ~tiles.labels.any(axis=1)
    assert seen.num_background == background.sum()
    assert seen.num_background_right == (background & ~tiles.predicted.any(axis=1)).sum()


def test_a_pass_by_blocks_finds_what_one_block_does(nine, monkeypatch):
    found, _, _ = nine
    whole = look_over(found.tiles, found.evaluation.thresholds, range(9))
    monkeypatch.setattr("components.evaluate.report.findings._BLOCK_NUMBERS", 63)
    assert look_over(found.tiles, found.evaluation.thresholds, range(9)) == whole


@pytest.mark.parametrize("num_positive", [1, 40, 900])
def test_the_curve_is_exact_at_the_edges_of_the_bins(num_positive):
    rng = np.random.default_rng(num_positive)
    labels = np.arange(3000) < num_positive
    scores = np.round(rng.random(3000) * 0.6 + 0.4 * labels, 3).astype(np.float32)
    bins = count_bins(labels, scores, np.zeros(3000, np.intp), rank_edges(scores[labels]), 1)
    precision, recall = precision_recall(bins)
    assert len(precision) <= 257
    exact = set(zip(*(np.round(of, 9) for of in precision_recall_curve(labels, scores)[:2]), strict=True))
    at_edges = [
        (round(float((labels & (scores >= edge)).sum() / (scores >= edge).sum()), 9), round(float(share), 9))
        for edge in bins.edges
        for share in [(labels & (scores >= edge)).sum() / num_positive]
    ]
    curve = set(zip(np.round(precision, 9), np.round(recall, 9), strict=True))
    assert set(at_edges) <= curve
    assert set(at_edges) <= exact
    assert recall[-1] == 1


def test_a_class_that_was_never_scored_has_no_point():
    precision, recall = precision_recall(BinCounts(np.array([], np.float32), np.array([], np.int64), np.array([], int)))
    assert len(precision) == len(recall) == 0


def encoded(pixels, kind):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def test_a_map_colours_the_places_that_speak_for_and_against_the_class():
    grey = np.full((64, 64, 3), 128, np.uint8)
    mask = np.full((64, 64), 255, np.uint8)
    mask[48:, :16] = 0
    record = Record(
        tile_id="t",
        field_id="f",
        rgb=encoded(grey, "JPEG"),
        nir=encoded(grey[..., 0], "JPEG"),
        valid_mask=encoded(mask, "PNG"),
        labels=[1.0],
        class_fractions=[0.5],
    )
    maps = np.zeros((4, 4, 2), np.float32)
    maps[0, 0, 1], maps[3, 3, 1] = 8.0, -8.0
    shown = picture(ShownTile(record, maps), 1, 8.0).astype(int)
    assert shown.shape == (144, 3 * 144 + 8, 3)
    plain, over_rgb, over_nir = shown[:, :144], shown[:, 148:292], shown[:, 296:]
    assert np.ptp(plain[5, 5]) < 4, "RGB is shown without the map"
    for over in (over_rgb, over_nir):
        for place, colour in (((5, 5), FOR_COLOUR), ((138, 138), AGAINST_COLOUR)):
            mixed = 0.75 * np.array(colour) + 0.25 * 128
            np.testing.assert_allclose(over[place], mixed, atol=12)
        assert np.ptp(over[72, 72]) < 4, "nothing is said there"
    assert plain[138, 5].max() < 60, "an invalid pixel is dark"
    without = picture(ShownTile(record, None), 1, 0.0)
    assert without.shape == (144, 2 * 144 + 4, 3)


@pytest.mark.parametrize(
    ("value", "interval", "signed", "shown"),
    [
        (0.5, (0.25, 1.0), False, "0.500<small>0.25–1.00</small>"),
        (0.5, None, False, "0.500"),
        (-0.0001, (-0.2, 0.001), True, "0.000<small>-0.20 to 0.00</small>"),
        (0.03, (-0.01, 0.07), True, "+0.030<small>-0.01 to +0.07</small>"),
    ],
)
def test_a_dot_is_drawn_and_written(value, interval, signed, shown):
    rows = [Row("<name>", Dot(value, interval))]
    figure = whiskers(rows, around_zero(rows) if signed else (0.0, 1.0), signed=signed)
    assert f"<td>{shown}</td>" in figure
    assert "&lt;name&gt;" in figure


def test_what_could_not_be_compared_has_a_dash():
    assert "<td>–</td>" in whiskers([Row("a", None), Row("b", Dot(0.1))])


def test_the_strongest_doubts_are_shown_with_their_class(nine):
    found, _, page = nine
    shown = chosen_doubts(found)
    assert len(shown) == 27
    assert all(isinstance(each, Doubt) for each in shown)
    assert "It doubts 45 labels of the 800 tiles of val and test" in page
    assert "evaluations/e/doubts.csv" in page
    assert {each.class_name for each in shown} == set(class_names(9))


def test_the_classes_that_lost_most_come_first(nine):
    found, _, page = nine
    section = page.partition("Compared with version")[2].partition("<h2>")[0]
    names = re.findall(r"<th>(\w+)<small>", section.replace("<wbr>", ""))
    of = found.evaluation
    differences = [of.candidate.per_class[name].f1 - of.production.per_class[name].f1 for name in names]
    assert differences == sorted(differences)
    assert {CANDIDATE, PRODUCTION} == set(found.sums.models)
