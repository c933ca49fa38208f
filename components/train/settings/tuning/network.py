"""What is trained: the backbone, where its weights start from, what it looks at, and how its outputs are read."""

import dataclasses

from components.errors import SettingsError
from components.setting import setting
from components.train.settings.backbones import BACKBONES

LABEL_MODES = ("auto", "multi_label", "single_label")
BANDS = ("auto", "rgb", "rgb_nir", "rgb_nir_ndvi")
IMAGENET_WEIGHTS = "imagenet"
# As Keras 3 writes weights, whole models, and as Keras 2 did, which is the form of the published files.
WEIGHTS_SUFFIXES = (".weights.h5", ".keras", ".h5")
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The network and its inputs."""

    backbone: str = setting("small", "The network between the pixels and the classifier.", choices=BACKBONES)
    weights: str = setting(
        "",
        'What the backbone starts from: "" (random), "imagenet" (downloaded once, by the launcher), or a file of the '
        "same backbone for three bands, with or without its classifier: a path or gs:// URI that ends in "
        f"{', '.join(WEIGHTS_SUFFIXES)}. Further bands join with kernels of zero, so that training starts from the "
        "same features.",
        may_be_empty=True,
    )
    bands: str = setting(
        "auto",
        '"auto" reads all bands of the dataset; "rgb_nir_ndvi" adds the NDVI of red and NIR, computed on the device.',
        choices=BANDS,
    )
    label_mode: str = setting(
        "auto",
        '"multi_label" (sigmoid), "single_label" (softmax; tiles with any other number of classes than one are left '
        'out), or "auto": single-label where the source is one folder per class, else multi-label.',
        choices=LABEL_MODES,
    )
    image_size_px: int = setting(128, "Side of the model's input, pixels.")
    precision: str = setting(
        "float32", "Of the activations; float16 comes with dynamic loss scaling.", choices=PRECISIONS
    )

    def check_network(self) -> None:
        """Refuses an input that is too small for the backbone, and weights that nobody has.

        Raises:
          SettingsError: names the setting and what it must be.
        """
        smallest = BACKBONES[self.backbone].smallest_px
        if self.image_size_px < smallest:
            raise SettingsError(
                f"image_size_px must be at least {smallest} for {self.backbone}, got {self.image_size_px}"
            )
        if self.weights == IMAGENET_WEIGHTS:
            if not BACKBONES[self.backbone].imagenet_url:
                known = ", ".join(name for name, backbone in BACKBONES.items() if backbone.imagenet_url)
                raise SettingsError(f"nobody published imagenet weights for {self.backbone}, only for {known}")
        elif self.weights and not self.weights.endswith(WEIGHTS_SUFFIXES):
            expected = f'"", "{IMAGENET_WEIGHTS}" or a file that ends in {", ".join(WEIGHTS_SUFFIXES)}'
            raise SettingsError(f"weights must be {expected}, got {self.weights!r}")
