"""The networks whose layers are counted: ours, and the two that the literature's premise is about.

AlexNet is built here, because Keras has none: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural
networks", the variant with one tower. Sizes follow the original's inputs: 224 px with three bands, and the classifier
of the nine classes is left out of none.
"""

from typing import Any

import keras

from components.train.settings.backbones import BACKBONES

IMAGE_SIZE_PX = 224
_OF_CI = ("small", "mobilenet_v2", "resnet50")
_WIDTH, _HIDDEN = 64, 4096
CLASSIC = ("alexnet", "vgg16")
_IMAGENET_CLASSES = 1000


def network_names(preset: str) -> tuple[str, ...]:
    """Returns the networks to count; "ci" has the classic two and a few of ours, because building takes seconds."""
    return (*CLASSIC, *(_OF_CI if preset == "ci" else BACKBONES))


def build_network(name: str, num_classes: int) -> Any:
    """Returns a keras.Model from [N, 224, 224, 3] to logits; the classic two have the 1,000 classes of ImageNet.

    Raises:
      KeyError: if there is no such network.
    """
    if name == "alexnet":
        return build_alexnet(IMAGE_SIZE_PX, 3, _IMAGENET_CLASSES)
    if name == "vgg16":
        return keras.applications.VGG16(weights=None, classes=_IMAGENET_CLASSES)
    from components.train.model.model import build_model

    return build_model(name, IMAGE_SIZE_PX, num_classes, [0.5] * 3, [0.25] * 3)


def build_alexnet(image_size_px: int, num_bands: int, num_classes: int) -> Any:
    """Returns AlexNet with one tower."""
    layers = keras.layers
    x = image = keras.Input((image_size_px, image_size_px, num_bands))
    x = layers.Conv2D(_WIDTH, 11, strides=4, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, 2)(x)
    x = layers.Conv2D(_WIDTH * 3, 5, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, 2)(x)
    for filters in (_WIDTH * 6, _WIDTH * 6, _WIDTH * 4):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, 2)(x)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(_HIDDEN, activation="relu")(x)
    return keras.Model(image, layers.Dense(num_classes)(x), name="alexnet")
