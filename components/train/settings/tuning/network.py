"""Settings of the network: its backbone and initial weights, its input, and how its outputs are interpreted."""

import dataclasses

from components.errors import SettingsError
from components.setting import setting
from components.train.settings.backbones import BACKBONES

LABEL_MODES = ("auto", "multi_label", "single_label")
BANDS = ("auto", "rgb", "rgb_nir", "rgb_nir_ndvi")
IMAGENET_WEIGHTS = "imagenet"
# Keras 3 weights, Keras 3 models, and Keras 2 files, the format of the published weights.
WEIGHTS_SUFFIXES = (".weights.h5", ".keras", ".h5")
USUAL_IMAGE_SIZE_PX = 128
PRECISIONS = ("float32", "bfloat16", "float16")
TILE_HEAD, CAM_HEAD, LRASPP_HEAD = HEADS = ("tile", "cam", "lraspp")
# Cells of a dense head's maps are squares of pixels; all backbones halve an image five times.
DENSE_MULTIPLE_PX = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The network and its inputs."""

    backbone: str = setting(
        "small",
        f"Network between the pixels and the classifier: {', '.join(BACKBONES)}.",
        parameter="train_backbone",
        choices=BACKBONES,
    )
    weights: str = setting(
        "",
        'Initial weights of the backbone: "" (random), "imagenet" (downloaded once, by the launcher), or a file for '
        "the same backbone with three bands, with or without its classifier: a path or gs:// URI that ends in "
        f"{', '.join(WEIGHTS_SUFFIXES)}. The kernels of additional bands start at zero, so training starts from the "
        "same features.",
        may_be_empty=True,
    )
    head: str = setting(
        TILE_HEAD,
        'What follows the backbone: "tile" says which classes a tile shows; the others also say where, and need a '
        'dataset with shard_label_masks=true. "cam" maps classes with one convolution at 1/32 of the input, and '
        'answers for the tile from the maps; "lraspp" (Howard et al. 2019) adds finer features at 1/8, and answers '
        'for the tile as "tile" does.',
        choices=HEADS,
    )
    bands: str = setting(
        "auto",
        'Bands that the model uses: "auto" uses all bands of the dataset; "rgb_nir_ndvi" adds the NDVI of red and '
        "NIR, computed on the device.",
        choices=BANDS,
    )
    label_mode: str = setting(
        "auto",
        '"multi_label" (sigmoid), "single_label" (softmax; skips tiles that do not have exactly one class), or '
        '"auto": single-label if the source has one folder per class, else multi-label.',
        choices=LABEL_MODES,
    )
    image_size_px: int = setting(
        0,
        f"Side length of the model's input, in pixels; 0 takes {USUAL_IMAGE_SIZE_PX}, or the size of the tiles if they "
        "are smaller.",
        parameter="train_image_size_px",
        at_least=0,
    )
    precision: str = setting(
        "float32", "Precision of the activations; float16 adds dynamic loss scaling.", choices=PRECISIONS
    )

    xla: bool = setting(
        False,
        "Compile each replica's forward and backward pass with XLA, except for what replicas exchange. Often faster on "
        "GPUs, and slower on CPUs; weights differ by rounding.",
    )

    @property
    def is_dense(self) -> bool:
        """Whether the head also answers by pixel."""
        return self.head != TILE_HEAD

    def check_network(self) -> None:
        """Rejects an input that does not fit backbone and head, and weights that do not exist.

        Raises:
          SettingsError: If a setting is rejected; names it and the values it may have.
        """
        smallest = BACKBONES[self.backbone].smallest_px
        if 0 < self.image_size_px < smallest:
            raise SettingsError(
                f"image_size_px must be at least {smallest} for {self.backbone}, got {self.image_size_px}"
            )
        if self.is_dense and self.label_mode == "single_label":
            raise SettingsError(f"head {self.head} needs label_mode multi_label, got single_label")
        if self.is_dense and self.image_size_px % DENSE_MULTIPLE_PX:
            raise SettingsError(
                f"image_size_px must be a multiple of {DENSE_MULTIPLE_PX} for head {self.head}, got "
                f"{self.image_size_px}"
            )
        if self.weights == IMAGENET_WEIGHTS:
            if not BACKBONES[self.backbone].imagenet_url:
                known = ", ".join(name for name, backbone in BACKBONES.items() if backbone.imagenet_url)
                raise SettingsError(f"there are no published imagenet weights for {self.backbone}, only for {known}")
        elif self.weights and not self.weights.endswith(WEIGHTS_SUFFIXES):
            expected = f'"", "{IMAGENET_WEIGHTS}" or a file that ends in {", ".join(WEIGHTS_SUFFIXES)}'
            raise SettingsError(f"weights must be {expected}, got {self.weights!r}")
