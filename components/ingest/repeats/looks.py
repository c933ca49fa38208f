"""Finds pictures that look alike: copies that were saved again, scaled, or brightened.

Each picture is reduced to 64 bits, its difference hash: scaled to 9 x 8 grey pixels, one bit for each pair of
neighbours in a row, set where the right one is brighter. Copies differ in a few bits; pictures of different things in
32 of 64 on average. The hash takes the ten lines below; the package ImageHash would bring SciPy and PyWavelets along
for it.

Near-equal is not certain, as equal bytes are: such pictures stay in one split, but none is bad for it.
"""

import itertools
import operator
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components import storage
from components.contracts import NearPicture, NearPictures, SourceFile
from components.dataset.list_file import publish_list
from components.ingest.splits import OPEN_FIELDS
from components.ingest.tile_table import TileTable
from components.ordered_map import map_in_order, num_threads_for
from components.progress import Progress, StepLog
from components.records import source_image
from components.records.image_header import MAX_FILE_BYTES

MOST_BITS = 3  # of 64 in which two that look alike may differ
_QUARTERS = MOST_BITS + 1  # of two looks that differ in three bits, one of four quarters is the same
_QUARTER_BITS = 64 // _QUARTERS
_FLAT = 8  # grey levels; what varies less is noise, such as a picture of one colour
_BATCH = 250  # pictures at a time
_NUM_SHOWN = 12
_SECONDS_PER_LINE = 10.0
_HEADER = ("different bits", "tile", "classes", "file", "other tile", "its classes", "its file")
_LOOKS = """
CREATE TABLE looks AS SELECT number, field, NULL AS look FROM tiles
WHERE field IN (SELECT number FROM fields WHERE {open}) AND rgb_bytes BETWEEN 1 AND {most}
  AND number NOT IN (SELECT number FROM equal EXCEPT SELECT MIN(number) FROM equal GROUP BY picture)
ORDER BY number;
CREATE UNIQUE INDEX looks_by_number ON looks (number)
"""


def find_near(table: TileTable, source_uri: str, data_root: str, log: StepLog) -> NearPictures | None:
    """Decodes every picture whose split is still to be made, and makes the table `near`: pairs that look alike.

    Args:
      table: After contents.find_equal; of equal pictures only the first is decoded.
      data_root: Where the list of all pairs is written; empty for nowhere.

    Returns:
      What the data report says of them; None if there is no pair.
    """
    _find_looks(table, source_uri, log)
    database = table.database
    database.execute("CREATE TABLE close (bits INTEGER, one INTEGER, other INTEGER)")
    # Pictures of one look are paired with the first of them, and those of similar looks by the first of each.
    database.execute(
        "INSERT INTO close SELECT 0, first, number FROM "
        "(SELECT number, MIN(number) OVER (PARTITION BY look) AS first FROM looks WHERE look IS NOT NULL) "
        "WHERE number > first"
    )
    database.execute(
        "CREATE TABLE first_looks AS SELECT look, MIN(number) AS number FROM looks WHERE look IS NOT NULL GROUP BY look"
    )
    for quarter in range(_QUARTERS):
        database.executemany("INSERT INTO close VALUES (?, ?, ?)", _pairs(table, quarter))
    database.execute(
        "CREATE TABLE near AS SELECT DISTINCT bits, one, other, a.field AS one_field, b.field AS other_field "
        "FROM close JOIN looks AS a ON a.number = one JOIN looks AS b ON b.number = other ORDER BY bits, one, other"
    )
    num_pairs = database.execute("SELECT COUNT(*) FROM near").fetchone()[0]
    if not num_pairs:
        return None
    path = publish_list(data_root, "near-pictures", _HEADER, _rows(table)) if data_root else ""
    where = f"; all are listed in {storage.join(data_root, path)!r}" if path else ""
    log.line(f"{num_pairs:,} pairs of pictures look alike; each pair stays in one split{where}")
    shown = [NearPicture(row[1], row[4], row[0]) for row in itertools.islice(_rows(table), _NUM_SHOWN)]
    return NearPictures(num_pairs=num_pairs, list_path=path, shown=tuple(shown))


def look_of(pixels: NDArray[np.uint8]) -> int | None:
    """Returns the difference hash of a picture, 0 to 2^64 - 1; None if it shows nothing but noise.

    Args:
      pixels: uint8 [H, W, 3].
    """
    small = np.asarray(Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)  # [8, 9]
    if np.ptp(small) < _FLAT:
        return None
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes())


def _find_looks(table: TileTable, source_uri: str, log: StepLog) -> None:
    database = table.database
    for statement in _LOOKS.format(open=OPEN_FIELDS, most=MAX_FILE_BYTES).split(";"):
        database.execute(statement)
    total = database.execute("SELECT COUNT(*) FROM looks").fetchone()[0]
    progress = Progress(log, total, "pictures decoded", _SECONDS_PER_LINE)
    last = -1
    looks_and_lines = "looks CROSS JOIN lines USING (number)"
    query = f"SELECT number, line FROM {looks_and_lines} WHERE looks.number > ? ORDER BY looks.number LIMIT ?"
    while rows := database.execute(query, (last, _BATCH)).fetchall():
        last = rows[-1][0]
        files = [table.tile(line).rgb for _, line in rows]
        num_threads = num_threads_for(storage.is_remote(source_uri))
        looks = map_in_order(lambda file: _look_of_file(file, source_uri), files, num_threads)
        values = []
        for look, (number, _) in zip(looks, rows, strict=True):
            values.append((None if look is None else _signed(look), number))
            progress.advance()
        database.executemany("UPDATE looks SET look = ? WHERE number = ?", values)


def _look_of_file(file: SourceFile, source_uri: str) -> int | None:
    try:
        content = storage.read_bytes(storage.join(source_uri, file.path))
        return look_of(source_image.decode_bands(content, 3, source_image.ANY_COLOUR_MODES))
    except (OSError, source_image.BadImage):
        return None  # the shard step says why


def _pairs(table: TileTable, quarter: int) -> Iterator[tuple[int, int, int]]:
    """Yields different bits and tiles of each pair of looks that agree in a quarter of their bits and nearly so in all.

    Takes memory for the looks that agree in the quarter, and time for each pair of those.
    """
    part = f"(look >> {quarter * _QUARTER_BITS}) & {(1 << _QUARTER_BITS) - 1}"
    rows = table.database.execute(f"SELECT {part} AS part, look, number FROM first_looks ORDER BY part, number")
    for _, group in itertools.groupby(rows, key=operator.itemgetter(0)):
        members = list(group)
        looks = np.array([look for _, look, _ in members], np.int64).view(np.uint64)
        for index in range(len(members) - 1):
            different = (looks[index] ^ looks[index + 1 :]).view(np.uint8).reshape(-1, 8)
            bits = np.unpackbits(different, axis=1).sum(axis=1)  # [members after this one]
            for other in np.flatnonzero(bits <= MOST_BITS).tolist():
                yield int(bits[other]), members[index][2], members[index + 1 + other][2]


def _rows(table: TileTable) -> Iterator[tuple[int, str, str, str, str, str, str]]:
    query = (
        "SELECT bits, a.line, b.line FROM near JOIN lines AS a ON a.number = one JOIN lines AS b ON b.number = other "
        "ORDER BY bits, one, other"
    )
    for bits, *lines in table.database.execute(query):
        one, other = ((tile.tile_id, ", ".join(tile.classes), tile.rgb.path) for tile in map(table.tile, lines))
        yield (bits, *one, *other)


def _signed(look: int) -> int:
    return look - (1 << 64) if look >> 63 else look  # SQLite's integers are signed
