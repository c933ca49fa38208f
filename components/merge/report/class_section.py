"""The section of the data report on classes: how many tiles have each, its area, place, year and co-occurrence."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from components import report, words
from components.agrivision import CLASS_FOLDERS
from components.contracts import Manifest
from components.dataset.drift.findings import percent
from components.dataset.field_table import Counts, FieldTable

BACKGROUND = "no class"
SPLIT_COLOURS = ("#2e6b4a", "#8fbf9f", "#c9a24b")  # train, val, test


def class_blocks(manifest: Manifest, fields: FieldTable, num_background: Mapping[str, int]) -> list[str]:
    """Returns the blocks: a table and bars by split, imbalance, co-occurrence, shares by year, and fields.

    Args:
      num_background: Tiles without a class, by split.
    """
    return [
        report.heading("Classes"),
        *_by_split(manifest, num_background),
        *_cooccurrence(manifest, sum(num_background.values())),
        *_by_year(manifest, fields),
        *_by_field(manifest, fields),
    ]


def _by_split(manifest: Manifest, num_background: Mapping[str, int]) -> list[str]:
    summaries = list(manifest.splits.values())
    train = manifest.splits["train"]
    has_pixels = manifest.layout != CLASS_FOLDERS
    counts = [(name, [split.class_tiles[i] for split in summaries]) for i, name in enumerate(manifest.classes)]
    shares = [words.Number(f"{pixels / train.valid_pixels:.1%}") for pixels in train.class_pixels]
    if any(num_background.values()):
        counts.append((BACKGROUND, [num_background[name] for name in manifest.splits]))
        shares.append(words.Number(""))
    rows = [
        (name, *by_split, sum(by_split), *([share] if has_pixels else []))
        for (name, by_split), share in zip(counts, shares, strict=True)
    ]
    header = ("class", *manifest.splits, "all", *(["train pixels"] if has_pixels else []))
    blocks = [
        report.table(header, rows),
        report.legend(zip(SPLIT_COLOURS, manifest.splits, strict=False)),
        report.bars(counts, SPLIT_COLOURS[: len(summaries)]),
        report.paragraph(f"{words.unit(manifest.layout).capitalize()}s with the class, by split."),
    ]
    of_class = dict(zip(manifest.classes, train.class_tiles, strict=True))
    most = max(of_class, key=lambda name: of_class[name])
    fewest = min((name for name in of_class if of_class[name]), key=lambda name: of_class[name], default=most)
    if of_class[fewest] < of_class[most]:
        ratio = of_class[most] / of_class[fewest]
        blocks.append(report.paragraph(f"Imbalance in train: {ratio:.1f} : 1, {most} to {fewest}."))
    return blocks


def _cooccurrence(manifest: Manifest, num_background: int) -> list[str]:
    together = np.sum([split.cooccurrence for split in manifest.splits.values()], axis=0)  # [C, C]
    pairs = together - np.diag(together.diagonal())
    if not pairs.any():
        return []
    rows = [
        (
            name,
            [
                ("·" if i == j else f"{count:,}" if count else "", 0.0 if i == j else count / pairs.max())
                for j, count in enumerate(together[i].tolist())
            ],
        )
        for i, name in enumerate(manifest.classes)
    ]
    num_single = sum(split.num_single_label for split in manifest.splits.values())
    num_several = manifest.num_tiles - num_single - num_background
    return [
        report.subheading("Classes that share a tile"),
        report.heat_table(("tiles", *manifest.classes), rows),
        report.paragraph(
            f"{words.number_of(num_several, 'tile')} ({num_several / manifest.num_tiles:.1%}) "
            f"{'has' if num_several == 1 else 'have'} several classes, and {num_background:,} "
            f"({num_background / manifest.num_tiles:.1%}) {'has' if num_background == 1 else 'have'} none."
        ),
    ]


def _by_year(manifest: Manifest, fields: FieldTable) -> list[str]:
    year_of_row = fields.years()
    years = np.unique(year_of_row).tolist()
    if years in ([], [0]):
        return []
    rows = {year: np.flatnonzero(year_of_row == year) for year in years}
    sizes = ", ".join(
        f"{year or 'no year'}: {words.number_of(int(fields.num_tiles[rows[year]].sum()), 'tile')} of "
        f"{words.number_of(fields.num_names(rows[year]), 'field')}"
        for year in years
    )
    blocks = [
        report.subheading("Share of each year's tiles with the class"),
        _shares_by_year(manifest.classes, rows, fields.class_tiles, fields.num_tiles),
        report.paragraph(f"{sizes}."),
    ]
    if manifest.layout != CLASS_FOLDERS:
        blocks += [
            report.subheading("Share of each year's valid pixels with the class"),
            _shares_by_year(manifest.classes, rows, fields.class_pixels, fields.valid_pixels),
        ]
    return blocks


def _shares_by_year(
    classes: Sequence[str], rows: Mapping[int, Counts], count_of: Callable[[str], Counts], totals: Counts
) -> str:
    """Returns a table of each class's share of the year's total."""
    total_of = {year: int(totals[of_year].sum()) for year, of_year in rows.items()}
    shares: dict[str, list[float]] = {}
    for name in classes:
        counts = count_of(name)
        shares[name] = [int(counts[of_year].sum()) / total_of[year] for year, of_year in rows.items()]
    largest = max((share for row in shares.values() for share in row), default=0.0) or 1.0
    return report.heat_table(
        ("class", *(str(year or "no year") for year in rows)),
        [(name, [(percent(share), share / largest) for share in row]) for name, row in shares.items()],
    )


def _by_field(manifest: Manifest, fields: FieldTable) -> list[str]:
    if len(fields) == manifest.num_tiles:
        return []  # images of any kind, each its own field
    rows = []
    for name in manifest.classes:
        tiles = fields.class_tiles(name)
        with_class = [fields.num_names(np.flatnonzero(fields.is_in(split) & (tiles > 0))) for split in manifest.splits]
        rows.append((name, *with_class, _largest_share(tiles), _largest_share(fields.class_pixels(name))))
    return [
        report.subheading("Fields with the class"),
        report.table(("class", *manifest.splits, "of tiles", "of pixels"), rows),
        report.paragraph(
            "Of tiles, of pixels: the largest share of the class's tiles and pixels in one field. Tiles of a field are "
            "alike, so the number of fields is the number of examples that a class is learned and judged from."
        ),
    ]


def _largest_share(counts: Counts) -> words.Number:
    return words.Number(f"{counts.max() / counts.sum():.0%}") if counts.any() else words.NOTHING
