"""About how many bytes a tile takes in a shard, told from its files' sizes alone; the plan of the shards goes by it."""

from components.contracts import SourceTile

# What the shard step's JPEGs take per 100 pixels of a tile that it scaled down, measured on look-alike tiles: 60 and 45
# at 256 px, 59 and 43 at 128 px. At 512 px they weigh as much as the dataset's tiles, RGB 117 kB and NIR 76 kB.
_RGB_BYTES_PER_100_PX = 60
_NIR_BYTES_PER_100_PX = 45


def stored_bytes(tile: SourceTile, tile_size_px: int) -> int:
    """Returns about what a tile takes: its images as they are, or scaled down where that is less, and one mask.

    Args:
      tile_size_px: Side that larger tiles are scaled down to, pixels; 0 for none.
    """
    mask = tile.boundary or tile.mask
    num_bytes = _at_most(tile.rgb.num_bytes, tile_size_px, _RGB_BYTES_PER_100_PX)
    if tile.nir is not None:
        num_bytes += _at_most(tile.nir.num_bytes, tile_size_px, _NIR_BYTES_PER_100_PX)
    return num_bytes + (mask.num_bytes if mask is not None else 0)


def expected_bytes(tile_kb: int, tile_size_px: int) -> int:
    """Returns the same for a tile with RGB and NIR whose images take `tile_kb` kB in the source."""
    return _at_most(tile_kb * 1000, tile_size_px, _RGB_BYTES_PER_100_PX + _NIR_BYTES_PER_100_PX)


def _at_most(num_bytes: int, tile_size_px: int, bytes_per_100_px: int) -> int:
    return min(num_bytes, tile_size_px**2 * bytes_per_100_px // 100) if tile_size_px else num_bytes
