"""The picture of a map in its page: layers that switch on and off without a script, and a scale."""

import dataclasses
import math
from collections.abc import Sequence

from components import report

# A box that is ticked shows its layer: it stands before the layers, so a rule of the page's style can reach them.
STYLE = """
.map input { margin: 0 .35em 0 0; vertical-align: -.1em; }
.map fieldset { border: 0; margin: 0 0 .5em; padding: 0; }
.map > label { display: inline-block; margin: 0 1.1em .35em 0; overflow-wrap: anywhere; }
.map > label i { display: inline-block; width: .85em; height: .85em; margin-right: .35em; vertical-align: -.1em; }
.map > label small { color: #5a665f; }
.map > b { display: block; font-weight: 600; color: #47544c; font-size: .9em; margin-top: .3em; }
.layers { position: relative; margin-top: .5em; border: 1px solid #d9e0db; }
.layers img { display: block; width: 100%; }
.layers img + img { position: absolute; left: 0; top: 0; height: 100%; }
.layers .answer { image-rendering: pixelated; }
.scale { height: .5em; border: 1.5px solid #1c2420; border-top: 0; margin-top: .5em; max-width: 100%; }
.scale + small { color: #5a665f; }
.ramp { height: .8em; max-width: 260px; }
.ends { display: flex; justify-content: space-between; max-width: 260px; font-size: .85em; color: #5a665f; }
.hatch { background: repeating-linear-gradient(135deg, #47544c 0 2px, transparent 2px 5px); }
.map > label i.faded { background: #d3d9d5; }
#ground-ndvi:checked ~ .layers .rgb, #ground-rgb:checked ~ .layers .ndvi { display: none; }
#ground-grey:checked ~ .layers .ndvi { display: none; }
#ground-grey:checked ~ .layers .rgb { filter: grayscale(1); }
#not-sure:not(:checked) ~ .layers .unsure { display: none; }
@media print { .map input { display: none; } }
"""
_ROUND = (1, 2, 5)
_MOST_BAR = 0.3  # of the picture's width


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
    """The pictures below the classes, as addresses; `ndvi` is empty without near infrared."""

    rgb: str
    ndvi: str


def map_block(ground: Ground, layers: Sequence[ClassLayer], size: tuple[int, int], width_m: float | None) -> str:
    """Returns the picture with its switches, which are its legend as well.

    Args:
      ground: What lies below.
      layers: The classes, the first at the bottom.
      size: Height and width of the pictures.
      width_m: What they are wide on the ground; None if that is unknown.
    """
    height, width = size
    switches = ["<b>Ground</b>", _choice("ground-rgb", "in colour", True), _choice("ground-grey", "in grey", False)]
    pictures = [f'<img class="rgb" alt="the field" src="{ground.rgb}">']
    if ground.ndvi:
        switches.append(_choice("ground-ndvi", "NDVI", False))
        pictures.append(f'<img class="ndvi" alt="NDVI of the field" src="{ground.ndvi}">')
    style = ""
    switches.append("<b>Classes</b>")
    for number, layer in enumerate(layers):
        mark = f'<i style="background:{layer.colour}"></i>'
        remark = f" <small>{report.inline(layer.remark)}</small>" if layer.remark else ""
        switches.append(_box(f"class-{number}", f"{mark}{report.inline(layer.name)}{remark}"))
        style += f"#class-{number}:not(:checked) ~ .layers .class-{number} {{ display: none; }}\n"
        for kind, address in (("yes", layer.yes), ("unsure", layer.unsure)):
            if address:
                alt = f"where the model {'says' if kind == 'yes' else 'is not sure of'} {report.escaped(layer.name)}"
                pictures.append(f'<img class="answer {kind} class-{number}" alt="{alt}" src="{address}">')
    if any(layer.unsure for layer in layers):
        switches.append(_box("not-sure", '<i class="hatch"></i>hatched: not sure'))
    switches.append('<label><i class="faded"></i>faded: not judged</label>')
    # As high as a window at most, or a narrow map would be higher than it.
    wide = f"max-width:{min(1024, round(800 * width / height))}px"
    scale = _scale(width_m) if width_m else ""
    return (
        f'<style>{style}</style><div class="map">{"".join(switches)}'
        f'<div class="layers" style="{wide}">{"".join(pictures)}</div><div style="{wide}">{scale}</div></div>'
    )


def ramp(colours: Sequence[str], low: float, high: float) -> str:
    """Returns a bar of colours with the values of its ends."""
    return (
        f'<div class="ramp" style="background:linear-gradient(90deg,{",".join(colours)})"></div>'
        f'<div class="ends"><span>NDVI {low:.2f}</span><span>{high:.2f}</span></div>'
    )


def _choice(name: str, text: str, is_chosen: bool) -> str:
    checked = " checked" if is_chosen else ""
    return f'<input type="radio" name="ground" id="{name}"{checked}><label for="{name}">{text}</label>'


def _box(name: str, content: str) -> str:
    return f'<input type="checkbox" id="{name}" checked><label for="{name}">{content}</label>'


def _scale(width_m: float) -> str:
    """Returns a bar that is a round length on the ground, at most three tenths of the picture."""
    most = width_m * _MOST_BAR
    unit = 10.0 ** math.floor(math.log10(most))
    length = max(step * unit for step in _ROUND if step * unit <= most)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return f'<div class="scale" style="width:{100 * length / width_m:.2f}%"></div><small>{text}</small>'
