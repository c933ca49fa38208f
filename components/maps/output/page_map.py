"""The picture of a map in its page: layers that switch on and off without a script, and a scale."""

import dataclasses
import math
from collections.abc import Sequence

from components import report

# A rule looks whether a box is ticked (":has"); a browser that does not know it shows all layers.
STYLE = """
.map fieldset { border: 0; margin: 0 0 .3em; padding: 0; min-width: 0; }
.map legend { padding: 0; font-weight: 600; color: #47544c; font-size: .9em; }
.map label { display: inline-block; margin: 0 1.1em .2em 0; overflow-wrap: anywhere; }
.map label input { margin: 0 .4em 0 0; vertical-align: -.1em; }
.map label i { display: inline-block; width: .85em; height: .85em; margin-right: .35em; vertical-align: -.1em; }
.map label small { color: #5a665f; }
.map .faded { background: #d3d9d5; }
.map .hatch { background: repeating-linear-gradient(135deg, #47544c 0 2px, transparent 2px 5px); }
.layers { position: relative; margin-top: .5em; border: 1px solid #d9e0db; }
.layers img { display: block; width: 100%; }
.layers img + img { position: absolute; left: 0; top: 0; height: 100%; }
.layers .answer { image-rendering: pixelated; }
.below { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .3em 2em; margin-top: .5em;
  font-size: .85em; color: #5a665f; }
.scale { flex: 1 1 200px; }
.scale i { display: block; height: .5em; border: 1.5px solid #1c2420; border-top: 0; }
.ramp { flex: 0 1 260px; }
.ramp i { display: block; height: .8em; }
.ramp span { display: flex; justify-content: space-between; }
.map:has(#ground-grey:checked) .rgb { filter: grayscale(1); }
.map:not(:has(#ground-ndvi:checked)) .ndvi { display: none; }
.map:has(#not-sure:not(:checked)) .unsure { display: none; }
@media print { .map input { display: none; } }
"""
_ROUND = (1, 2, 5)
_MOST_BAR = 0.25  # of the picture's width


@dataclasses.dataclass(frozen=True)
class ClassLayer:
    """A class in the picture.

    Attributes:
      name: As it comes from the model.
      colour: "#rrggbb".
      remark: What stands behind the name, e.g. its area.
      yes, unsure: Addresses of images; empty where there is none.
    """

    name: str
    colour: str
    remark: str
    yes: str
    unsure: str


@dataclasses.dataclass(frozen=True)
class Ground:
    """The pictures below the classes.

    Attributes:
      rgb: The address of an image.
      ndvi: The same; empty without near infrared.
      low, high: The NDVI of the first and last of `colours`.
      colours: As "#rrggbb".
    """

    rgb: str
    ndvi: str
    low: float
    high: float
    colours: Sequence[str]


def map_block(ground: Ground, layers: Sequence[ClassLayer], size: tuple[int, ...], width_m: float | None) -> str:
    """Returns the picture with its switches, which are its legend as well.

    Args:
      ground: What lies below.
      layers: The classes, the first at the bottom.
      size: Height and width of the pictures.
      width_m: What they are wide on the ground; None if that is unknown.
    """
    height, width = size
    pictures = [f'<img class="rgb" alt="the field" src="{ground.rgb}">']
    grounds = [_choice("ground-rgb", "in colour", is_chosen=True), _choice("ground-grey", "in grey")]
    if ground.ndvi:
        grounds.append(_choice("ground-ndvi", "NDVI"))
        pictures.append(f'<img class="ndvi" alt="NDVI of the field" src="{ground.ndvi}">')
    style, classes = "", []
    for number, layer in enumerate(layers):
        classes.append(_class_box(number, layer))
        style += f".map:has(#class-{number}:not(:checked)) .class-{number} {{ display: none; }}\n"
        pictures += _class_pictures(number, layer)
    if any(layer.unsure for layer in layers):
        classes.append(_box("not-sure", '<i class="hatch"></i>hatched: not sure'))
    classes.append('<label><i class="faded"></i>faded: not judged</label>')
    # As high as a window at most, or a narrow map would be higher than it.
    wide = f"max-width:{min(1024, max(round(800 * width / height), 1))}px"
    below = (_scale(width_m) if width_m else "") + (_ramp(ground) if ground.ndvi else "")
    return (
        f'<style>{style}</style><div class="map">{_group("Ground", grounds)}{_group("Classes", classes)}'
        f'<div class="layers" style="{wide}">{"".join(pictures)}</div>'
        f'<div class="below" style="{wide}">{below}</div></div>'
    )


def _group(title: str, labels: Sequence[str]) -> str:
    return f"<fieldset><legend>{title}</legend>{''.join(labels)}</fieldset>"


def _choice(name: str, text: str, *, is_chosen: bool = False) -> str:
    checked = " checked" if is_chosen else ""
    return f'<label><input type="radio" name="ground" id="{name}"{checked}>{text}</label>'


def _box(name: str, content: str) -> str:
    return f'<label><input type="checkbox" id="{name}" checked>{content}</label>'


def _class_box(number: int, layer: ClassLayer) -> str:
    mark = f'<i style="background:{layer.colour}"></i>'
    remark = f" <small>{report.inline(layer.remark)}</small>" if layer.remark else ""
    return _box(f"class-{number}", f"{mark}{report.inline(layer.name)}{remark}")


def _class_pictures(number: int, layer: ClassLayer) -> list[str]:
    kinds = (("yes", "where the model says", layer.yes), ("unsure", "where the model is not sure of", layer.unsure))
    return [
        f'<img class="answer {kind} class-{number}" alt="{text} {report.escaped(layer.name)}" src="{address}">'
        for kind, text, address in kinds
        if address
    ]


def _scale(width_m: float) -> str:
    """Returns a bar that is a round length on the ground, at most a quarter of the picture."""
    most = width_m * _MOST_BAR
    unit = 10.0 ** math.floor(math.log10(most))
    length = max(step * unit for step in _ROUND if step * unit <= most)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return f'<div class="scale"><i style="width:{100 * length / width_m:.2f}%"></i>{text}</div>'


def _ramp(ground: Ground) -> str:
    """Returns a bar of NDVI's colours with the values of its ends, which is seen with that picture."""
    return (
        f'<div class="ramp ndvi"><i style="background:linear-gradient(90deg,{",".join(ground.colours)})"></i>'
        f"<span><span>NDVI {ground.low:.2f}</span><span>{ground.high:.2f}</span></span></div>"
    )
