"""TrainConfig: the tuning of a model, given as one JSON parameter. Imports no TensorFlow."""

import msgspec

from components.errors import SettingsError
from components.train.settings.backbones import BACKBONES
from components.train.settings.config_checks import check_choices, check_ranges

LABEL_MODES = ("auto", "multi_label", "single_label")
BANDS = ("auto", "rgb", "rgb_nir", "rgb_nir_ndvi")
IMAGENET_WEIGHTS = "imagenet"
# As Keras 3 writes weights, whole models, and as Keras 2 did, which is the form of the published files.
WEIGHTS_SUFFIXES = (".weights.h5", ".keras", ".h5")


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tuning of a training run.

    Attributes:
      backbone: One of BACKBONES.
      weights: What the backbone starts from: "" (random), "imagenet" (downloaded once, by the launcher), or a file of
        the same backbone for three bands, with or without its classifier: a path or gs:// URI with one of
        WEIGHTS_SUFFIXES. Further bands join with kernels of zero, so that training starts from the same features.
      bands: What the model looks at: "auto" (all bands of the dataset), "rgb", "rgb_nir", or "rgb_nir_ndvi", which adds
        the NDVI of red and NIR, computed on the device.
      freeze_epochs: Epochs at the start in which the backbone keeps its weights, and only the classifier and the
        kernels of further bands learn.
      unfreeze_every_epochs: After those, the backbone's last block learns, and one block more after so many epochs,
        down to the pixels; 0 unfreezes all of them at once.
      backbone_learning_rate_factor: The backbone's learning rate, as a multiple of the classifier's.
      label_mode: "multi_label" (sigmoid), "single_label" (softmax; tiles with another number of classes than one are
        left out), or "auto": single-label where the source is one folder per class, else multi-label.
      image_size_px: Side of the model's input, pixels.
      epochs: As many tiles as the train split has, so many times.
      global_batch_size: Tiles per step, over all workers.
      steps_per_call: Steps that the device takes before the host looks at them again: to stop, to log, to save.
      precision: Of the activations, one of PRECISIONS; float16 with dynamic loss scaling.
      seed: Seeds initialisation, order and augmentation.

      loss: "cross_entropy", or "focal" (Lin et al. 2017), which makes less of what is predicted well already.
      focal_gamma, focal_alpha: Its exponent, and the weight of a class that is present; 1 - alpha is the weight of one
        that is absent. In single-label mode there is no alpha. Its authors had no class weights besides.
      label_smoothing: Share of a label that is spread out evenly.
      class_weighting: What a class weighs in the loss; see objective.class_weights.
      sampling: "shuffle" reads each tile once an epoch; "inverse_frequency" and "effective_number" read tiles of rare
        classes more often and others not at all; see sampling.py. Together with a class weighting it counts twice.
      effective_number_beta: Of both of these (Cui et al. 2019): above about 1 / (1 - beta) tiles a class is as good as
        any larger one.

      augment: Random flips and quarter turns, alike for all bands and the valid mask.
      zoom_range: Zoom by 1 - range to 1 + range, in x and y apart; the reference study took 0.2. 0 turns it off.
      shear_degrees: Shear by up to so many degrees either way; the reference study took 10. 0 turns it off.
      brightness_range: Each band by 1 - range to 1 + range; the reference study took 0.2. 0 turns it off.

      optimizer: "AdamW", or "SGD" with momentum.
      momentum, nesterov: Of SGD.
      weight_decay: Decoupled from the gradient, times the rate; of kernels only, not of biases and norms.
      clip_norm: The gradient, over all weights and workers, is scaled down to this norm; 0 turns it off.
      ema_decay: Validation and export use a moving average of the weights with this decay; 0 turns it off.
      learning_rate: Peak rate, after warm-up.
      reference_batch_size: The rate is for this many tiles, and scaled linearly to `global_batch_size`; 0 takes it as
        it is.
      schedule: How the rate falls after warm-up; see schedule.py.
      warmup_fraction: Share of all steps in which the rate rises from zero.
      final_rate_fraction: What "cosine" and "polynomial" end at, as a share of the peak.
      schedule_power: Exponent of "polynomial"; 1 is a straight line.
      step_decay_fraction, step_decay_factor: "step" multiplies the rate by the factor after each such share of steps.

      early_stopping_patience: Training ends when so many epochs have brought no better validation macro F1; 0 turns it
        off. The best epoch is exported in any case.
      early_stopping_min_delta: What counts as better, in F1.
    """

    backbone: str = "small"
    weights: str = ""
    bands: str = "auto"
    freeze_epochs: int = 0
    unfreeze_every_epochs: int = 0
    backbone_learning_rate_factor: float = 1.0
    label_mode: str = "auto"
    image_size_px: int = 128
    epochs: int = 20
    global_batch_size: int = 32
    steps_per_call: int = 1
    precision: str = "float32"
    seed: int = 0

    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    focal_alpha: float = 0.25
    label_smoothing: float = 0.0
    class_weighting: str = "square_root"
    sampling: str = "shuffle"
    effective_number_beta: float = 0.999

    augment: bool = True
    zoom_range: float = 0.0
    shear_degrees: float = 0.0
    brightness_range: float = 0.0

    optimizer: str = "AdamW"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    learning_rate: float = 3e-3
    reference_batch_size: int = 0
    schedule: str = "cosine"
    warmup_fraction: float = 0.1
    final_rate_fraction: float = 0.0
    schedule_power: float = 1.0
    step_decay_fraction: float = 0.3
    step_decay_factor: float = 0.1

    early_stopping_patience: int = 0
    early_stopping_min_delta: float = 0.0

    def __post_init__(self) -> None:
        if self.label_mode not in LABEL_MODES:
            raise ValueError(f"unknown label_mode {self.label_mode!r}; expected one of {', '.join(LABEL_MODES)}")
        check_choices(self)
        self._check_backbone()
        check_ranges(self)

    @property
    def peak_rate(self) -> float:
        """The learning rate after warm-up, scaled with the global batch (Goyal et al. 2017)."""
        scale = self.global_batch_size / self.reference_batch_size if self.reference_batch_size else 1.0
        return self.learning_rate * scale

    def _check_backbone(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"unknown backbone {self.backbone!r}; expected one of {', '.join(BACKBONES)}")
        smallest = BACKBONES[self.backbone].smallest_px
        if self.image_size_px < smallest:
            raise ValueError(f"image_size_px must be at least {smallest} for {self.backbone}, got {self.image_size_px}")
        if self.bands not in BANDS:
            raise ValueError(f"unknown bands {self.bands!r}; expected one of {', '.join(BANDS)}")
        if self.weights == IMAGENET_WEIGHTS:
            if not BACKBONES[self.backbone].imagenet_url:
                known = ", ".join(name for name, backbone in BACKBONES.items() if backbone.imagenet_url)
                raise ValueError(f"nobody published imagenet weights for {self.backbone}, only for {known}")
        elif self.weights and not self.weights.endswith(WEIGHTS_SUFFIXES):
            expected = f'"", "{IMAGENET_WEIGHTS}" or a file that ends in {", ".join(WEIGHTS_SUFFIXES)}'
            raise ValueError(f"weights must be {expected}, got {self.weights!r}")
        for name in ("freeze_epochs", "unfreeze_every_epochs"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
            if getattr(self, name) and not self.weights:
                raise ValueError(
                    f"{name}={getattr(self, name)} would freeze random weights; give weights, or set it to 0"
                )
        if not 0 < self.backbone_learning_rate_factor < float("inf"):
            raise ValueError(
                f"backbone_learning_rate_factor must be above 0, got {self.backbone_learning_rate_factor}; "
                "freeze_epochs keeps the backbone as it is"
            )

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
