"""The section that shows tiles: what the model got right and wrong, and where in the tile it saw it."""

from collections.abc import Mapping, Sequence

from components import report, words
from components.evaluate.report.findings import Findings
from components.evaluate.report.overview import DOUBTFUL, FALSE_ALARM, FOUND, MISSED, ChosenTile, Overview
from components.evaluate.report.pictures import (
    AGAINST_COLOUR,
    FOR_COLOUR,
    Pixels,
    ShownTile,
    heat_scale,
    hexadecimal,
    pictures_of,
)

MOST_CLASSES = 9
_MARKS = {FOUND: "✓ found", MISSED: "✗ missed", FALSE_ALARM: "✗ false alarm", DOUBTFUL: "? nearest to the threshold"}
_CARDS = "display:grid;gap:12px 16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr))"
_QUALITY = 80


def chosen_classes(found: Findings) -> list[int]:
    """Returns the numbers of the classes whose tiles are shown: the weakest that test tiles have, then the others."""
    judged = [c for c, _, _ in found.judged_classes()]
    rest = [c for c in range(len(found.manifest.classes)) if c not in judged]
    return [*judged, *rest][:MOST_CLASSES]


def gallery_blocks(found: Findings, overview: Overview, tiles: Mapping[int, ShownTile]) -> list[str]:
    """Returns the blocks; `tiles` are by position in the split."""
    unit, classes = words.unit(found.manifest.layout), found.manifest.classes
    has_maps = any(tile.maps is not None for tile in tiles.values())
    note = (
        f"For each class, the surest {unit} found, the worst one missed, the surest false alarm, and the one nearest "
        "to the threshold. Invalid pixels are dark."
    )
    if len(classes) > MOST_CLASSES:
        note += f" Of {len(classes):,} classes, the {MOST_CLASSES} with the lowest F1; the others are left out."
    result = [report.heading("Right and wrong"), report.paragraph(note), *_legend(found, has_maps)]
    for place, c in enumerate(dict.fromkeys(tile.class_number for tile in overview.tiles)):
        of_class = [tile for tile in overview.tiles if tile.class_number == c]
        pictured = [tiles[int(found.tiles.positions[tile.row])] for tile in of_class]
        captions = [
            f"{_MARKS[tile.outcome]}, {tile.probability:.2f}. {true_and_predicted(tile, classes)} — {of.record.tile_id}"
            for tile, of in zip(of_class, pictured, strict=True)
        ]
        num = f"{len(of_class)} {unit}{'' if len(of_class) == 1 else 's'}"
        if has_maps:
            num += f", full colour at ±{_rounded(heat_scale([of.maps for of in pictured], c))}"
        block = cards(pictures_of(pictured, c), captions)
        result.append(report.folded(classes[c], num, [block], is_open=not place))
    return result


def cards(pictures: Sequence[Pixels], captions: Sequence[str]) -> str:
    """Returns pictures of tiles in a grid: one in a row on a narrow page, two on a wide one."""
    shown = (report.image(pixels, caption, _QUALITY) for pixels, caption in zip(pictures, captions, strict=True))
    return f'<div class="gallery" style="{_CARDS}">{"".join(shown)}</div>'


def true_and_predicted(tile: ChosenTile, classes: Sequence[str]) -> str:
    """Returns the classes that a tile has, and those that were predicted."""

    def names(of: tuple[int, ...]) -> str:
        return ", ".join(classes[c] for c in of) or "none"

    return f"True: {names(tile.true)}. Predicted: {names(tile.predicted)}."


def _legend(found: Findings, has_maps: bool) -> list[str]:
    bands = "RGB and NIR" if len(found.manifest.bands) > 3 else "RGB"
    if not has_maps:
        return [report.paragraph(f"{bands}. The export has no class-activation maps to lay over them.")]
    over = "RGB, then RGB and NIR" if len(found.manifest.bands) > 3 else "RGB, twice, the second time"
    return [
        report.paragraph(
            f"{over} under the class-activation map: what each place adds to the model's logit of the class, before "
            "calibration. The mean over all places, plus a constant, is the logit, so the map is the answer itself. "
            "The colours of a class have one scale."
        ),
        report.legend(
            [
                (hexadecimal(FOR_COLOUR), "speaks for the class"),
                (hexadecimal(AGAINST_COLOUR), "speaks against it"),
                ("#9a9a9a", "grey: says nothing"),
            ]
        ),
    ]


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
