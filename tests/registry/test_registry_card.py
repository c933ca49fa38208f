"""The card of a version as Markdown: what it says, and that no name in it can say more than itself."""

from collections import Counter

import msgspec
import pytest
import yaml
from markdown_it import MarkdownIt
from model_cards import card_of

from components.contracts import (
    Calibration,
    ClassNotSure,
    ClassReliability,
    ClassScores,
    DataFacts,
    Decision,
    DenseScores,
    Export,
    Lineage,
    ModelCard,
    NotSure,
    Reliability,
    Robustness,
    RobustnessRow,
    Scores,
    SliceScore,
    TrainingFacts,
)
from components.markdown import markdown_table
from components.registry.card.page import card_blocks, card_page

INTERVALS = {"f1": (0.61, 0.79), "precision": (0.7, 0.92), "recall": (0.5, 0.75)}
WATER = ClassScores(
    threshold=0.4,
    precision=0.81,
    recall=0.66,
    f1=0.73,
    average_precision=0.7,
    support=320,
    num_fields=14,
    intervals=INTERVALS,
)
RARE = ClassScores(
    threshold=0.6, precision=0.42, recall=0.3, f1=0.35, average_precision=0.3, support=9, num_fields=2, intervals={}
)
SLICE = SliceScore(
    dimension="NDVI",
    name="0.1 to 0.2",
    num_tiles=40,
    num_fields=8,
    macro_f1=0.4,
    interval=(0.3, 0.5),
    difference=(-0.15, -0.21, -0.09),
)


def whole_card(**changes) -> ModelCard:
    """A card with all that a card can say."""
    scores = Scores(
        macro_f1=0.54,
        macro_precision=0.6,
        macro_recall=0.5,
        map=0.5,
        intervals={"macro_f1": (0.45, 0.62)},
        per_class={"water": WATER, "endrow": RARE},
    )
    fields = {
        "classes": ("water", "endrow"),
        "thresholds": (0.4, 0.6),
        "scores": scores,
        "num_test_tiles": 700,
        "calibration": Calibration(slopes=(1.0, 1.0), offsets=(0.0, 0.0)),
        "not_sure": NotSure(
            max_miss_rate=0.1,
            low=(0.1, 0.2),
            num_val_fields=(9, 3),
            miss_rate=0.071,
            share=0.12,
            per_class={"water": ClassNotSure(miss_rate=0.093, miss_interval=(0.05, 0.16), num_fields=14)},
        ),
        "config": {"epochs": 12, "loss": "focal", "init": ""},
        "data_licence": "CC-BY-NC-4.0",
        "data": DataFacts(
            layout="paper-2020",
            split_origin="by field",
            num_tiles={"train": 4_000, "test": 700},
            num_fields={"train": 300, "test": 40},
            class_tiles={"train": (900, 31), "test": (320, 9)},
            tile_sizes={"512x512": 4_700},
        ),
        "training": TrainingFacts(
            seconds=5_400.0,
            num_parameters=2_300_000,
            num_workers=4,
            strategy="ring",
            num_restarts=1,
            num_epochs=12,
            best_epoch=9,
            ended_by="early_stopping",
            tiles_per_second=512.0,
        ),
        "lineage": Lineage(
            evaluation_sha256="e" * 64,
            test_set="7" * 64,
            num_test_fields=40,
            pod="agrivision-push-1",
            pushed_at="2026-01-31T12:00:00Z",
        ),
        "decision": Decision(
            decision="push", reason="push: better by 0.04", floor=0.5, candidate_macro_f1=0.54, production_version="old"
        ),
        "reliability": Reliability(
            ece_before=0.131,
            ece=0.024,
            brier_before=0.15,
            brier=0.09,
            per_class={"water": ClassReliability(ece_before=0.14, ece=0.03, brier_before=0.16, brier=0.1)},
        ),
        "robustness": Robustness(
            num_tiles=100,
            num_fields=20,
            macro_f1=0.55,
            control=0.0,
            rows=(
                RobustnessRow(
                    change="darkened",
                    macro_f1=0.44,
                    difference=(-0.11, -0.16, -0.05),
                    changed_decisions=0.08,
                    changed_tiles=0.2,
                ),
            ),
        ),
        "weakest": (SLICE,),
        "worst_slice": SLICE,
        "dense": DenseScores(
            mean_iou=0.43,
            interval=(0.4, 0.46),
            background_iou=0.8,
            class_iou={"water": 0.5, "endrow": None},
            thresholds=(0.5, 0.5),
            num_pixels=1_000_000,
        ),
        "exports": (
            Export(
                kind="onnx",
                path="exports/model.onnx",
                num_bytes=9_000_000,
                weight_bytes=8_900_000,
                difference=2e-7,
                tolerance=1e-5,
                num_tiles=64,
            ),
            Export(kind="litert", problem="it has 16,000 bytes for 398,000 bytes of weights"),
        ),
        "usage": {"masked": "rgb, nir, valid_mask"},
    }
    return msgspec.structs.replace(card_of("abc123"), **{**fields, **changes})


def front_matter_of(page: str):
    start, text, _ = page.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(text)


@pytest.mark.parametrize(
    "said",
    [
        "macro F1 0.540 (0.45 to 0.62)",
        "700 test tiles of 40 fields",
        "| `water` | 0.730 (0.61 to 0.79) | 0.810 (0.70 to 0.92) | 0.660 (0.50 to 0.75) | 320 |",
        "of 100 tiles that it marks as `endrow`, about 58 do not show it",
        "of 100 that show `endrow`, it misses about 70",
        "`endrow` had fewer than 50 test tiles or 10 fields",
        "it has learned from 300 fields",
        "12.0% of all questions",
        "said no to 7.1% of the tiles that show a pattern, most often `water` (9.3%, 5.0% to 16.0%)",
        "`CC-BY-NC-4.0`, which forbids commercial use",
        "By pixel: overlap-aware mean IoU 0.430 (0.40 to 0.46)",
        "| `endrow` | – |",  # no pixel of it, labelled or predicted
        "Worse by more than noise: NDVI 0.1 to 0.2.",
        r"| NDVI 0.1 to 0.2 | 0.400 (0.30 to 0.50) | -0.150 (-0.21 to -0.09) | 40 |",
        "Expected calibration error 0.024, before calibration 0.131",
        "| `water` | 0.400 | 0.100 |",  # yes from, no below
        "| darkened | 0.440 | -0.110 (-0.16 to -0.05) | 8.0% |",
        "| fields | 300 | 40 |",
        "12, ended by early\\_stopping; the best was number 9",
        "90 min, at 512 tiles a second",
        "6.00 hours of a worker",
        "| `init` | – |",
        "**onnx**: `exports/model.onnx`, 9.0 MB; at most 2e-07",
        "**litert**: refused: it has 16,000 bytes for 398,000 bytes of weights.",
        "`push`, against version `old` in production. better by 0.04",
        "`2026-01-31T12:00:00Z` by the pod `agrivision-push-1`",
    ],
)
def test_the_card_says(said):
    assert said in card_page(whole_card())


def test_the_card_of_an_earlier_version_says_what_is_known():
    page = card_page(card_of("old"))
    assert "macro F1 0.500" in page
    assert "**Licence of the data**: not stated" in page
    assert "no class had a test tile" in page
    assert "it answers yes or no to everything" in page
    assert "None" not in page


def test_the_front_matter_is_a_model_index():
    known = front_matter_of(card_page(whole_card(dense=None)))
    assert (known["library_name"], known["pipeline_tag"]) == ("tensorflow", "image-classification")
    assert "license" not in known  # the data's is not the model's
    (model,) = known["model-index"]
    (result,) = model["results"]
    assert result["dataset"]["revision"] == "0" * 16
    metrics = {metric["name"]: metric for metric in result["metrics"]}
    assert metrics["macro F1"] == {
        "type": "f1",
        "name": "macro F1",
        "value": 0.54,
        "args": {"interval_95": [0.45, 0.62]},
    }
    assert metrics["F1 of water"]["value"] == 0.73
    assert metrics["ECE"]["value"] == 0.024
    assert front_matter_of(card_page(whole_card()))["pipeline_tag"] == "image-segmentation"


def parsed(text):
    """Counts what a reader of Markdown finds in a text, by kind."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return Counter(each.type for token in tokens for each in (token, *(token.children or ())))


HOSTILE = [
    "---\nlicense: mit",
    "x\n# A heading of its own",
    "`](javascript:alert(1))",
    "| a | b |",
    "<script>alert(1)</script>",
    "![](https://example.com/beacon.png)",
    "\x1b[2J\x1b]0;title\x07",
    "!!python/object/apply:os.system [true]",
    "\u202egnp.exe",
    "ends in a backslash \\",
    "\\|",
]


def card_with(name: str) -> ModelCard:
    """A card that has a name or a text wherever it may be another's."""
    whole = whole_card()
    return whole_card(
        classes=(name, "endrow"),
        scores=msgspec.structs.replace(whole.scores, per_class={name: WATER, "endrow": RARE}),
        backbone=name,
        data_licence=name,
        config={name: name},
        decision=Decision(decision=name, reason=name, floor=0.5, candidate_macro_f1=0.5),
        lineage=Lineage(pod=name, pushed_at="2026-01-31T12:00:00Z"),
        data=msgspec.structs.replace(whole.data, layout=name, split_origin=name, tile_sizes={name: 1}),
        weakest=(msgspec.structs.replace(SLICE, dimension=name),),
        robustness=msgspec.structs.replace(whole.robustness, rows=(), note=name),
        usage={name: name},
        exports=(Export(kind=name, problem=name),),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_says_nothing_but_itself(name):
    page = card_page(card_with(name))
    assert page.replace("\n", "").isprintable()
    assert set(front_matter_of(page)) == {"library_name", "pipeline_tag", "tags", "model-index"}
    found, expected = (parsed("\n\n".join(card_blocks(card_with(each)))) for each in (name, "harmless"))
    # Escapes part a text, and no line of a name is a line of the page.
    ignored = {"text", "text_special", "softbreak"}
    assert {kind: found[kind] for kind in found if kind not in ignored} == {
        kind: expected[kind] for kind in expected if kind not in ignored
    }


def test_a_cell_cannot_end_its_column():
    assert markdown_table(("a", "b"), [("x|y", r"p\|q")]) == "| a | b |\n| --- | ---: |\n| x\\|y | p\\|q |"


def test_blocks_and_page_are_the_same_but_for_the_front_matter():
    card = whole_card()
    assert card_page(card).split("---\n", 2)[2].strip() == "\n\n".join(card_blocks(card))
