"""Keeps copies of a picture in one split, and takes out those in two classes where a tile can have only one."""

import itertools
import operator
from array import array
from collections.abc import Iterable

from components.contracts import NearPictures
from components.ingest.repeats.contents import find_equal
from components.ingest.tile_table import TileTable
from components.progress import StepLog


def keep_together(
    table: TileTable, source_uri: str, data_root: str, is_single_label: bool, near: bool, log: StepLog
) -> NearPictures | None:
    """Finds equal pictures among the tiles whose split is still to be made, and joins their fields.

    Args:
      data_root: Where near-equal pictures are listed; empty for nowhere.
      is_single_label: Whether a tile's place in the source gives it one class. Then a picture in two classes is bad
        under each of its names, because nothing tells which class is right.
      near: Whether pictures that only look alike are found and joined, too.

    Returns:
      Those that look alike; None if there are none.
    """
    find_equal(table, source_uri, log)
    if is_single_label and (num_bad := _reject_contradicting(table)):
        log.line(f"{num_bad:,} tiles are bad, because another class has the same picture")
    execute = table.database.execute
    num_pictures, num_tiles = execute("SELECT COUNT(DISTINCT picture), COUNT(*) FROM equal").fetchone()
    pairs: Iterable[tuple[int, int]] = ()
    if num_pictures:
        log.line(f"{num_pictures:,} pictures are there more than once, as {num_tiles:,} tiles; each stays in one split")
        pairs = execute("SELECT MIN(field) OVER (PARTITION BY picture), field FROM equal")
    alike = None
    if near:
        from components.ingest.repeats.looks import find_near  # which needs NumPy

        alike = find_near(table, source_uri, data_root, log)
    if alike:
        pairs = itertools.chain(pairs, execute("SELECT one_field, other_field FROM near"))
    if num_pictures or alike:
        _join_fields(table, pairs)
    return alike


def _reject_contradicting(table: TileTable) -> int:
    """Rejects the tiles whose picture is in another class as well, and returns how many those are."""
    database = table.database
    database.execute("CREATE TABLE contradicting (picture INTEGER, class TEXT, tile_id TEXT)")
    members = "SELECT picture, number, line FROM equal JOIN lines USING (number)"
    rows = database.execute(f"{members} ORDER BY picture, number")
    for picture, group in itertools.groupby(rows, key=operator.itemgetter(0)):
        first: dict[str, str] = {}  # by class
        for _, _, line in group:
            tile = table.tile(line)
            first.setdefault(tile.classes[0], tile.tile_id)
        if len(first) > 1:
            found = [(picture, class_name, tile_id) for class_name, tile_id in first.items()]
            database.executemany("INSERT INTO contradicting VALUES (?, ?, ?)", found)
    database.execute("CREATE TABLE bad (number INTEGER, reason TEXT)")
    rows = database.execute(f"{members} WHERE picture IN (SELECT picture FROM contradicting) ORDER BY picture, number")
    other = "SELECT class, tile_id FROM contradicting WHERE picture = ? AND class != ? ORDER BY class LIMIT 1"
    for picture, number, line in rows:
        class_name, tile_id = database.execute(other, (picture, table.tile(line).classes[0])).fetchone()
        reason = f"the same picture is in class {class_name}, as {tile_id}"
        database.execute("INSERT INTO bad VALUES (?, ?)", (number, reason))
    num_bad = 0
    for number, reason in database.execute("SELECT number, reason FROM bad"):
        table.reject(number, reason)
        num_bad += 1
    database.execute("DELETE FROM equal WHERE number IN (SELECT number FROM bad)")
    return num_bad


def _join_fields(table: TileTable, pairs: Iterable[tuple[int, int]]) -> None:
    """Joins the fields of each pair, and those that are linked through others; takes four bytes a field meanwhile."""
    parents = array("I", range(table.num_fields))

    def root_of(field: int) -> int:
        while parents[field] != field:
            parents[field] = parents[parents[field]]
            field = parents[field]
        return field

    for one, other in pairs:
        one, other = sorted((root_of(one), root_of(other)))
        parents[other] = one
    database = table.database
    database.execute("CREATE TABLE units (root INTEGER, field INTEGER)")
    links = ((root_of(field), field) for field in range(table.num_fields) if parents[field] != field)
    database.executemany("INSERT INTO units VALUES (?, ?)", links)
    rows = database.execute("SELECT root, field FROM units ORDER BY root, field")
    for root, members in itertools.groupby(rows, key=operator.itemgetter(0)):
        table.join([root, *(field for _, field in members)])
    database.execute("DROP TABLE units")
