import keras
import pytest

from components.train.loop.unfreezing import block_of
from components.train.settings.backbones import BACKBONES


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "small"])
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
def test_the_table_says_what_keras_applications_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published weights' address and md5, the stem, and the blocks, without a download."""
    backbone, asked = BACKBONES[name], []
    monkeypatch.setattr(
        "keras.src.utils.file_utils.get_file",
        lambda name=None, origin=None, file_hash="", **_: asked.append((origin, file_hash)) or "nowhere",
    )
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_, **__: None)
    builder = getattr(keras.applications, backbone.application)
    side = backbone.smallest_px
    with keras.StatelessScope(initialize_variables=False):  # names and shapes are enough; random numbers take seconds
        network = builder(include_top=False, weights="imagenet", input_shape=(side, side, 3), **backbone.arguments)
    assert asked == [(backbone.imagenet_url, backbone.imagenet_md5)]

    eighth = network.get_layer(backbone.eighth).output.shape
    assert eighth[1:3] == (side // 8, side // 8)
    assert len(eighth) == 4

    learning = [layer for layer in network.layers if layer.weights]
    assert learning[0].name == backbone.stem
    assert type(learning[0]) is keras.layers.Conv2D
    places = [block_of(layer.name, backbone.blocks) for layer in learning]
    assert sorted(set(places)) == list(range(len(backbone.blocks))), "a block without a layer"
    # Branches lie side by side in the list, so that neighbours may be swapped; whole blocks may not.
    firsts = [places.index(block) for block in range(len(backbone.blocks))]
    assert firsts == sorted(firsts)


def test_a_layer_in_no_block_is_an_error_and_not_forgotten() -> None:
    with pytest.raises(ValueError, match="layer 'dense' is in none of the blocks"):
        block_of("dense", BACKBONES["resnet50"].blocks)
