"""A tiny model of the exported form that evaluate and push read, and a dataset that it can tell apart by colour."""

from pathlib import Path

import msgspec
import tensorflow as tf
from tile_shards import _COLOURS, BANDS, CLASSES, fake_record, manifest_of, write_split

from components import storage
from components.contracts import Channel, Evaluation, Manifest, ModelCard, TrainingReceipt
from components.push.card import model_card
from components.push.serving import save_serving_model
from components.records import tfrecords
from components.registry import CARD
from components.saved_model.files import digests

SIZE_PX = 32


class ColourModel(tf.Module):
    """Says how much of a tile has the colour of each class; it is blind for the last `num_blind`.

    With `dense`, it says so of places as well, like the export of a dense head. `ratio` is that of its decoder.
    """

    def __init__(
        self, bands: tuple[str, ...], label_mode: str, num_blind: int, dense: bool = False, ratio: int = 1
    ) -> None:
        super().__init__()
        colours = _COLOURS[:, : len(bands)].astype("float32")
        colours[len(colours) - num_blind :] = 1_000.0  # no pixel is like this
        self.colours = tf.Variable(colours)
        self.bands, self.label_mode, self.dense, self.ratio = bands, label_mode, dense, ratio
        pixels = tf.TensorSpec([None, SIZE_PX, SIZE_PX, len(bands)], tf.uint8, "image")
        valid = tf.TensorSpec([None, SIZE_PX, SIZE_PX, 1], tf.uint8, "valid")
        strings = [tf.TensorSpec([None], tf.string, name) for name in ("rgb", "nir", "valid_mask")]
        self.predict_batch = tf.function(self._predict_batch, input_signature=[pixels, valid])
        self.answers_batch = tf.function(self._answers_batch, input_signature=[pixels, valid])
        self.predict_encoded = tf.function(self._predict_encoded, input_signature=strings)
        self.logits_encoded = tf.function(self._logits_encoded, input_signature=strings)
        self.maps_encoded = tf.function(self._maps_encoded, input_signature=strings)
        if dense:
            self.dense_encoded = tf.function(self._dense_encoded, input_signature=strings)
        decoded = [(3, "rgb"), (1, "nir"), (1, "valid")]
        arrays = [tf.TensorSpec([None, None, None, count], tf.uint8, name) for count, name in decoded]
        self.pixels = tf.function(self._pixels, input_signature=arrays)

    def _near(self, image, valid):
        away = tf.abs(tf.cast(image, tf.float32)[:, :, :, tf.newaxis] - self.colours)  # [N, S, S, C, B]
        return tf.cast(tf.reduce_max(away, axis=-1) < 40, tf.float32) * tf.cast(valid, tf.float32)

    def _logits(self, image, valid):
        share = tf.reduce_mean(self._near(image, valid), axis=[1, 2])
        return 30 * share if self.label_mode == "single_label" else 40 * share - 6

    def _predict_batch(self, image, valid):
        logits = self._logits(image, valid)
        return tf.nn.softmax(logits) if self.label_mode == "single_label" else tf.sigmoid(logits)

    def _answers_batch(self, image, valid):
        return {"logits": self._logits(image, valid)}

    def _predict_encoded(self, rgb, nir, valid_mask):
        return self.predict_batch(*self._decode(rgb, nir, valid_mask))

    def _logits_encoded(self, rgb, nir, valid_mask):
        return self._logits(*self._decode(rgb, nir, valid_mask))

    def _maps_encoded(self, rgb, nir, valid_mask):
        near = self._near(*self._decode(rgb, nir, valid_mask))
        return tf.nn.avg_pool2d(near, 4, 4, "VALID") * (30 if self.label_mode == "single_label" else 40)

    def _dense_encoded(self, rgb, nir, valid_mask):
        return self._dense(*self._decode(rgb, nir, valid_mask))

    def _dense(self, image, valid):
        maps = 12 * tf.nn.avg_pool2d(self._near(image, valid), 4, 4, "VALID") - 6
        return {"logits": self._logits(image, valid), "maps": maps}

    def _pixels(self, rgb, nir, valid):
        scaled = tfrecords.scale_pixels(rgb, nir, valid, self.bands, SIZE_PX)
        return self._dense(*scaled) if self.dense else {"logits": self._logits(*scaled)}

    def _decode(self, rgb, nir, valid_mask):
        def decode(tile):
            return tfrecords.decode_image(*tile, self.bands, SIZE_PX, self.ratio)

        return tf.map_fn(decode, (rgb, nir, valid_mask), fn_output_signature=(tf.uint8, tf.uint8))


def colour_dataset(
    data_root: Path,
    num_val: int = 24,
    num_test: int = 48,
    label_masks: bool = False,
    tile_px: int = 48,
    **changes: object,
) -> Manifest:
    """Writes val and test shards of fake tiles under `data_root` and returns their manifest."""
    val = [fake_record(1000 + number, tile_px, label_masks=label_masks) for number in range(num_val)]
    test = [fake_record(2000 + number, tile_px, label_masks=label_masks) for number in range(num_test)]
    changes = ({"label_masks": True} if label_masks else {}) | changes
    splits = {"val": write_split(data_root, val, 1), "test": write_split(data_root, test, 2)}
    return manifest_of(splits, tile_px, **changes)


def colour_training(
    data_root: Path,
    manifest: Manifest,
    training_id: str = "t1",
    label_mode: str = "multi_label",
    num_blind: int = 0,
    dense: bool = False,
    ratio: int = 1,
) -> TrainingReceipt:
    """Exports a ColourModel under `data_root` and returns its receipt."""
    path = f"training/{training_id}/export"
    tf.saved_model.save(ColourModel(manifest.bands, label_mode, num_blind, dense, ratio), str(data_root / path))
    receipt = receipt_of(data_root, manifest, training_id, label_mode)
    return msgspec.structs.replace(receipt, config={"seed": 0, "head": "lraspp"}) if dense else receipt


def receipt_of(
    data_root: Path, manifest: Manifest, training_id: str, label_mode: str = "multi_label"
) -> TrainingReceipt:
    """Returns the receipt of a training whose model was exported under `data_root`."""
    path = f"training/{training_id}/export"
    return TrainingReceipt(
        training_id=training_id,
        manifest_sha256=manifest.sha256,
        model_path=path,
        files=digests(str(data_root / path)),
        classes=manifest.classes,
        bands=manifest.bands,
        label_mode=label_mode,
        backbone="small",
        image_size_px=SIZE_PX,
        num_parameters=12,
        num_workers=1,
        num_restarts=0,
        config={"seed": 0},
        best_epoch=1,
        history=(),
        seconds=1.0,
    )


def put_in_production(
    data_root: Path, receipt: TrainingReceipt, evaluation: Evaluation, models_uri: str, **changes: object
) -> ModelCard:
    """Publishes a model as push would, without its checks; `changes` are of its card."""
    card = msgspec.structs.replace(model_card(receipt, evaluation, "content"), **changes)
    folder = Path(models_uri, "versions", card.version)
    save_serving_model(data_root / receipt.model_path, card, folder)
    card = msgspec.structs.replace(card, **{"files": digests(str(folder)), **changes})
    card.write(folder / CARD)
    storage.write_bytes(f"{models_uri}/production.json", Channel(version=card.version).to_json())
    return card


__all__ = ["BANDS", "CLASSES", "SIZE_PX", "colour_dataset", "colour_training", "put_in_production", "receipt_of"]
