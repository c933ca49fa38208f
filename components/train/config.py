"""TrainConfig: the tuning of a model, given as one JSON parameter. Imports no TensorFlow."""

import msgspec

from components.errors import SettingsError

# name: smallest useful image side in pixels. What each is made of stands in model.py.
BACKBONES = {"small": 32, "MobileNetV2": 32, "ResNet50": 32, "NASNetLarge": 64}
LABEL_MODES = ("auto", "multi_label", "single_label")


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tuning of a training run.

    Attributes:
      backbone: One of BACKBONES.
      label_mode: "multi_label" (sigmoid), "single_label" (softmax; tiles with another number of classes than one are
        left out), or "auto": single-label where the source is one folder per class, else multi-label.
      image_size_px: Side of the model's input, pixels.
      epochs: Passes over the train split.
      global_batch_size: Tiles per step, over all workers.
      learning_rate: Peak rate, after warm-up.
      warmup_fraction: Share of all steps in which the rate rises linearly from zero; a cosine decay to zero follows.
      weight_decay: AdamW's decoupled weight decay.
      augment: Random flips and quarter turns, alike for all bands and the valid mask.
      seed: Seeds initialisation, order and augmentation.
    """

    backbone: str = "small"
    label_mode: str = "auto"
    image_size_px: int = 128
    epochs: int = 20
    global_batch_size: int = 32
    learning_rate: float = 3e-3
    warmup_fraction: float = 0.1
    weight_decay: float = 1e-4
    augment: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"unknown backbone {self.backbone!r}; expected one of {', '.join(BACKBONES)}")
        if self.label_mode not in LABEL_MODES:
            raise ValueError(f"unknown label_mode {self.label_mode!r}; expected one of {', '.join(LABEL_MODES)}")
        smallest = BACKBONES[self.backbone]
        if self.image_size_px < smallest:
            raise ValueError(f"image_size_px must be at least {smallest} for {self.backbone}, got {self.image_size_px}")
        for name in ("epochs", "global_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not 0 <= self.warmup_fraction < 1:
            raise ValueError(f"warmup_fraction must be in [0, 1), got {self.warmup_fraction}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be at least 0, got {self.weight_decay}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    @classmethod
    def from_json(cls, text: str) -> "TrainConfig":
        """Returns the defaults overridden by the JSON object `text`, e.g. `{"epochs": 2}`.

        JSON text, because a KFP `dict` parameter turns 2 into 2.0 on its way.

        Raises:
          SettingsError: if `text` is not a JSON object, a key is unknown, or a value is refused.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.ValidationError as error:
            known = ", ".join(cls.__struct_fields__)
            hint = f"; the keys are {known}" if "unknown field" in str(error) else ""
            raise SettingsError(f"train_config {text!r}: {error}{hint}") from error
        except msgspec.DecodeError as error:
            raise SettingsError(
                f"""train_config must be a JSON object such as {{"epochs": 2}}, got {text!r}"""
            ) from error

    def check_workers(self, num_workers: int) -> None:
        """Refuses a number of workers that the batch cannot be divided by.

        Raises:
          SettingsError: if the global batch size is not a multiple of `num_workers`.
        """
        if self.global_batch_size % num_workers:
            raise SettingsError(
                f"global_batch_size must be a multiple of train_num_workers={num_workers}, got {self.global_batch_size}"
            )
