"""Estimates the bytes of a tile in a shard from its files' sizes alone; the plan of the shards relies on it."""

from components.contracts import SourceTile

# Size of the shard step's JPEGs per 100 pixels of a scaled-down tile, measured on look-alike tiles: 60 and 45 at
# 256 px, 59 and 43 at 128 px. At 512 px they are as large as the dataset's tiles, RGB 117 kB and NIR 76 kB.
_RGB_BYTES_PER_100_PX = 60
_NIR_BYTES_PER_100_PX = 45


def stored_bytes(tile: SourceTile, tile_size_px: int) -> int:
    """Returns the approximate bytes of a tile: its images, scaled down if that is smaller, and one mask.

    Args:
      tile_size_px: Side that larger tiles are scaled down to, in pixels; 0 scales none.
    """
    mask = tile.boundary or tile.mask
    num_bytes = _at_most(tile.rgb.num_bytes, tile_size_px, _RGB_BYTES_PER_100_PX)
    if tile.nir is not None:
        num_bytes += _at_most(tile.nir.num_bytes, tile_size_px, _NIR_BYTES_PER_100_PX)
    return num_bytes + (mask.num_bytes if mask is not None else 0)


def expected_bytes(tile_kb: int, tile_size_px: int) -> int:
    """Returns the approximate bytes of a tile whose RGB and NIR images take `tile_kb` kB in the source."""
    return _at_most(tile_kb * 1000, tile_size_px, _RGB_BYTES_PER_100_PX + _NIR_BYTES_PER_100_PX)


def _at_most(num_bytes: int, tile_size_px: int, bytes_per_100_px: int) -> int:
    return min(num_bytes, tile_size_px**2 * bytes_per_100_px // 100) if tile_size_px else num_bytes
