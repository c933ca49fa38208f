"""The function that draws each class of the dataset, in drawing order."""

from collections.abc import Callable

from components.synth import canopy_patterns, row_patterns, water_patterns
from components.synth.scene import Scene
from components.synth.shapes import BoolArray

# In drawing order: what covers the crop hides what is wrong with it.
PATTERNS: dict[str, Callable[[Scene, tuple[float, float]], BoolArray]] = {
    "double_plant": row_patterns.draw_double_plant,
    "planter_skip": row_patterns.draw_planter_skip,
    "endrow": row_patterns.draw_endrow,
    "nutrient_deficiency": canopy_patterns.draw_nutrient_deficiency,
    "drydown": canopy_patterns.draw_drydown,
    "storm_damage": canopy_patterns.draw_storm_damage,
    "weed_cluster": canopy_patterns.draw_weed_cluster,
    "waterway": water_patterns.draw_waterway,
    "water": water_patterns.draw_water,
    "standing_water": water_patterns.draw_water,
    "cloud_shadow": water_patterns.draw_cloud_shadow,
}
