"""Finds equal files among a source's pictures without reading more than it must.

Files of different sizes differ. Of those of one size, a few kilobytes from the middle tell nearly all apart, and only
what is still alike is read to its end. A bucket that lists the md5 of its objects spares even that. So a source whose
sizes all differ is not read at all; one of ten million pictures of like size costs a small read each.

Everything grows in the table's temporary database: 60 bytes for each picture that has another's size.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from components import storage
from components.contracts import SourceFile
from components.ingest.splits import OPEN_FIELDS
from components.ingest.tile_table import TileTable
from components.ordered_map import map_in_order, num_threads_for
from components.progress import Progress, StepLog
from components.records.source_formats import MAX_SOURCE_BYTES

_SAMPLE_BYTES = 4096
_SMALL_BYTES = 4 * _SAMPLE_BYTES  # read whole at once: a second request would cost more than the bytes
_PART_BYTES = 4 * 2**20
_BATCH = 250  # files at a time, in memory
_SECONDS_PER_LINE = 10.0

_Job: TypeAlias = Callable[[SourceFile, str], int | None]  # -> what is wanted of a file; None if it cannot be read

# `content` is equal for equal files, `place` stands for the path. A file that cannot be read keeps no content, and the
# shard step will say why. It refuses what is larger than the limit by the size alone, so that is not read here either.
_PICTURES = """
CREATE TABLE pictures AS SELECT tiles.number, field, rgb_bytes AS size, 0 AS place, NULL AS sample, NULL AS content
FROM tiles WHERE field IN (SELECT number FROM fields WHERE {open}) AND rgb_bytes BETWEEN 1 AND {most} AND rgb_bytes IN
  (SELECT rgb_bytes FROM tiles GROUP BY rgb_bytes HAVING COUNT(*) > 1)
ORDER BY tiles.number;
CREATE UNIQUE INDEX pictures_by_number ON pictures (number)
"""
_EQUAL = """
CREATE TABLE equal AS SELECT DENSE_RANK() OVER (ORDER BY size, content) AS picture, number, field
FROM pictures JOIN (SELECT size, content FROM pictures WHERE content IS NOT NULL GROUP BY size, content
  HAVING COUNT(*) > 1) USING (size, content)
ORDER BY picture, number
"""


def find_equal(table: TileTable, source_uri: str, log: StepLog) -> None:
    """Makes the table `equal`: picture, number and field of every tile whose RGB file occurs twice or more.

    Only tiles whose split is still to be made count.

    Raises:
      UnreachableError: if a bucket gives no answer.
    """
    database = table.database
    for statement in _PICTURES.format(open=OPEN_FIELDS, most=MAX_SOURCE_BYTES).split(";"):
        database.execute(statement)
    progress = Progress(log, None, "files of equal size compared", _SECONDS_PER_LINE)
    if database.execute("SELECT COUNT(*) FROM pictures").fetchone()[0]:
        _take_listed(table, source_uri)
        # Without a sample, NULL: small files, whose whole content is as cheap, and those beside a listed one.
        by_size = "SELECT size FROM pictures WHERE content IS NOT NULL"
        todo = f"content IS NULL AND sample IS NULL AND size > {_SMALL_BYTES} AND size NOT IN ({by_size})"
        _read(table, todo, "sample", _sample, source_uri, progress)
        alike = "SELECT size, sample FROM pictures WHERE sample IS NOT NULL GROUP BY size, sample HAVING COUNT(*) > 1"
        todo = f"content IS NULL AND (sample IS NULL OR (size, sample) IN ({alike}))"
        _read(table, todo, "content", _content, source_uri, progress)
    database.execute(_EQUAL)
    database.execute("DROP TABLE pictures")


def _take_listed(table: TileTable, source_uri: str) -> None:
    """Takes the contents' digests from the bucket's listing, if it has any."""
    listed = ((_number(path.encode()), _digest(md5)) for path, md5 in storage.list_md5(source_uri))
    first = next(listed, None)
    if first is None:
        return
    database = table.database
    database.execute("CREATE TABLE listed (place INTEGER, content INTEGER)")
    database.execute("INSERT INTO listed VALUES (?, ?)", first)
    database.executemany("INSERT INTO listed VALUES (?, ?)", listed)
    database.execute("CREATE INDEX listed_by_place ON listed (place)")
    for rows in _batches(table, "pictures"):
        places = [(_number(file.path.encode()), number) for number, file in rows]
        database.executemany("UPDATE pictures SET place = ? WHERE number = ?", places)
    database.execute("UPDATE pictures SET content = (SELECT content FROM listed WHERE listed.place = pictures.place)")
    database.execute("DROP TABLE listed")


def _read(table: TileTable, todo: str, column: str, job: _Job, source_uri: str, progress: Progress) -> None:
    """Sets a column of `pictures` for the rows that `todo` selects, in threads and a few thousand at a time."""
    # Chosen before the first is set, because the choice looks at all rows.
    table.database.execute(f"CREATE TABLE todo AS SELECT number FROM pictures WHERE {todo}")
    table.database.execute("CREATE UNIQUE INDEX todo_by_number ON todo (number)")
    num_threads = num_threads_for(storage.is_remote(source_uri))
    for rows in _batches(table, "todo"):
        found = map_in_order(lambda row: job(row[1], source_uri), rows, num_threads)
        values = [(value, number) for value, (number, _) in zip(found, rows, strict=True)]
        table.database.executemany(f"UPDATE pictures SET {column} = ? WHERE number = ?", values)
        progress.advance(len(rows))
    table.database.execute("DROP TABLE todo")


def _batches(table: TileTable, chosen: str) -> Iterator[list[tuple[int, SourceFile]]]:
    """Yields the number and the RGB file of the tiles whose numbers are in a table, which has an index of them."""
    last = -1
    query = (
        f"SELECT number, line FROM {chosen} CROSS JOIN lines USING (number) "
        f"WHERE {chosen}.number > ? ORDER BY {chosen}.number LIMIT {_BATCH}"
    )
    while rows := table.database.execute(query, (last,)).fetchall():
        last = rows[-1][0]
        yield [(number, table.tile(line).rgb) for number, line in rows]


def _sample(file: SourceFile, source_uri: str) -> int | None:
    try:
        return _number(storage.read_range(storage.join(source_uri, file.path), file.num_bytes // 2, _SAMPLE_BYTES))
    except OSError:
        return None


def _content(file: SourceFile, source_uri: str) -> int | None:
    uri = storage.join(source_uri, file.path)
    digest, offset = hashlib.md5(usedforsecurity=False), 0  # as buckets list it
    try:
        while part := storage.read_range(uri, offset, _PART_BYTES):
            digest.update(part)
            offset += len(part)
            if len(part) < _PART_BYTES:
                break
    except OSError:
        return None
    return _digest(digest.digest())


def _digest(md5: bytes) -> int:
    return int.from_bytes(md5[:8]) >> 1  # SQLite's integers are signed


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()) >> 1
