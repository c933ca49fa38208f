"""The backbones, as data. Imports no TensorFlow, so an unknown name is rejected before anything starts."""

import dataclasses
from collections.abc import Mapping

STANDARDIZED = "standardized"  # each band to mean 0 and standard deviation 1 over the train split
SYMMETRIC = "symmetric"  # 0..255 to -1..1
CENTRED = "centred"  # 0..256 to -1..1
IMAGENET = "imagenet"  # 0..255 to 0..1, then ImageNet's mean 0 and standard deviation 1 by band
CAFFE = "caffe"  # blue, green, red, minus ImageNet's mean, still in units of 0..255

_WEIGHTS = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclasses.dataclass(frozen=True)
class Backbone:
    """One backbone.

    Attributes:
      application: Name of its builder in keras.applications; empty for the network in model.py.
      pixel_range: How its authors scaled pixels: one of the ranges above. Only Preprocess scales pixels; `arguments`
        turn off the scaling layers of keras.applications.
      stem: The layer that sees the pixels: a convolution whose kernel is [height, width, bands, filters].
      blocks: A regular expression for each block's layer names, from the pixels to the features; a layer belongs to
        the first block that it matches. Blocks are unfrozen from last to first.
      eighth: The layer whose output is the deepest at 1/8 of the image's side, which the head "lraspp" sees.
      smallest_px: Smallest usable side of an image, pixels.
      imagenet: Path of its published weights, without the classifier, under the Keras project's folder.
      imagenet_md5: Of this file, as keras.applications names it; empty for those that it names none for.
      arguments: Additional arguments for the builder.
    """

    application: str
    pixel_range: str
    stem: str
    blocks: tuple[str, ...]
    eighth: str
    smallest_px: int = 32
    imagenet: str = ""
    imagenet_md5: str = ""
    arguments: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def imagenet_url(self) -> str:
        """URL of the published weights; empty if there are none."""
        return f"{_WEIGHTS}/{self.imagenet}" if self.imagenet else ""


_MOBILENET = (
    r"^conv1|^conv_(dw|pw)_1(_|$)",
    r"^conv_(dw|pw)_[23](_|$)",
    r"^conv_(dw|pw)_[45](_|$)",
    r"^conv_(dw|pw)_([6-9]|1[01])(_|$)",
    r"^conv_(dw|pw)_1[23](_|$)",
)
_MOBILENET_V2 = (
    r"^(bn_)?Conv1|^expanded_conv_",
    r"^block_[12]_",
    r"^block_[345]_",
    r"^block_([6-9]|1[012])_",
    r"^block_1[3-6]_|^Conv_1",
)
_MOBILENET_V3_SMALL = (
    r"^conv(_bn)?$|^expanded_conv_[a-z]",
    r"^expanded_conv_[12]_",
    r"^expanded_conv_[3-7]_",
    r"^expanded_conv_([89]|10)_|^conv_1",
)
_MOBILENET_V3_LARGE = (
    r"^conv(_bn)?$|^expanded_conv_[a-z]",
    r"^expanded_conv_[12]_",
    r"^expanded_conv_[345]_",
    r"^expanded_conv_([6-9]|1[01])_",
    r"^expanded_conv_1[234]_|^conv_1",
)
_EFFICIENTNET_V2 = (r"^stem_|^block1", r"^block2", r"^block3", r"^block[45]", r"^block[67]|^top_")
_RESNET = (r"^conv1_", r"^conv2_", r"^conv3_", r"^conv4_", r"^conv5_")
_NASNET = (
    r"^stem_|_stem_[12]$",
    r"(?<!reduce)_[0-5]$",
    r"_reduce_6$|(?<!reduce)_([7-9]|1[012])$",
    r"_reduce_12$|_1[3-8]$",
)


def _efficientnet_v2(variant: str, md5: str) -> Backbone:
    is_small = variant.startswith("B")
    return Backbone(
        f"EfficientNetV2{variant}",
        IMAGENET if is_small else CENTRED,
        "stem_conv",
        _EFFICIENTNET_V2,
        "block4a_expand_activation",
        imagenet=f"efficientnet_v2/efficientnetv2-{variant.lower()}_notop.h5",
        imagenet_md5=md5,
        arguments={"include_preprocessing": False},
    )


def _mobilenet_v3(variant: str, blocks: tuple[str, ...], eighth: str, md5: str) -> Backbone:
    return Backbone(
        f"MobileNetV3{variant}",
        SYMMETRIC,
        "conv",
        blocks,
        eighth,
        imagenet=f"mobilenet_v3/weights_mobilenet_v3_{variant.lower()}_224_1.0_float_no_top_v2.h5",
        imagenet_md5=md5,
        arguments={"include_preprocessing": False},
    )


BACKBONES: Mapping[str, Backbone] = {
    "small": Backbone(
        "",
        STANDARDIZED,
        "level_0_conv",
        (r"^level_0_", r"^level_1_", r"^level_2_", r"^level_3_"),
        "level_2_relu",
    ),
    "mobilenet": Backbone(
        "MobileNet",
        SYMMETRIC,
        "conv1",
        _MOBILENET,
        "conv_pw_5_relu",
        imagenet="mobilenet/mobilenet_1_0_224_tf_no_top.h5",
    ),
    "mobilenet_v2": Backbone(
        "MobileNetV2",
        SYMMETRIC,
        "Conv1",
        _MOBILENET_V2,
        "block_6_expand_relu",
        imagenet="mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    ),
    "mobilenet_v3_small": _mobilenet_v3(
        "Small", _MOBILENET_V3_SMALL, "expanded_conv_2_add", "d3e8ec802a04aa4fc771ee12a9a9b836"
    ),
    "mobilenet_v3_large": _mobilenet_v3(
        "Large", _MOBILENET_V3_LARGE, "expanded_conv_5_add", "07fb09a5933dd0c8eaafa16978110389"
    ),
    "efficientnet_v2_b0": _efficientnet_v2("B0", "893217f2bb855e2983157299931e43ff"),
    "efficientnet_v2_b1": _efficientnet_v2("B1", "0e80663031ca32d657f9caa404b6ec37"),
    "efficientnet_v2_b2": _efficientnet_v2("B2", "1dfe2e7a5d45b6632553a8961ea609eb"),
    "efficientnet_v2_b3": _efficientnet_v2("B3", "f6abf7b5849ac99a89b50dd3fd532856"),
    "efficientnet_v2_s": _efficientnet_v2("S", "af0682fb74e8c54910f2d4393339c070"),
    "efficientnet_v2_m": _efficientnet_v2("M", "1b8dc055df72dde80d614482840fe342"),
    "efficientnet_v2_l": _efficientnet_v2("L", "b0b66b5c863aef5b46e8608fe1711615"),
    "resnet50": Backbone(
        "ResNet50",
        CAFFE,
        "conv1_conv",
        _RESNET,
        "conv3_block4_out",
        imagenet="resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        imagenet_md5="4d473c1dd8becc155b73f8504c6f6626",
    ),
    "nasnet_large": Backbone(
        "NASNetLarge",
        SYMMETRIC,
        "stem_conv1",
        _NASNET,
        "normal_concat_5",
        smallest_px=64,
        imagenet="nasnet/NASNet-large-no-top.h5",
        imagenet_md5="d81d89dc07e6e56530c4e77faddd61b5",
    ),
}
