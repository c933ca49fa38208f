"""What a user of MLServer writes to serve the SavedModel: a runtime that decodes base64 and asks a signature.

It runs in MLServer's own environment, and imports nothing of this project.
"""

import asyncio
import concurrent.futures
from typing import Any

import tensorflow as tf
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Tiles(MLModel):  # type: ignore[misc]
    """A model of tiles; batches are made by MLServer."""

    async def load(self) -> bool:
        """Loads the SavedModel that the settings name."""
        self._model = tf.saved_model.load(self.settings.parameters.uri)
        self._answer = self._model.signatures["masked"]
        # Without threads, as in MLServer's own runtimes, the worker does nothing else while the model works. With two,
        # as ours has, one batch is decoded while the network works on the other.
        threads = self.settings.parameters.extra["threads"]
        self._threads = concurrent.futures.ThreadPoolExecutor(threads) if threads else None
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Returns the probabilities of the tiles."""
        images = {each.name: Base64Codec.decode_input(each) for each in payload.inputs}
        if self._threads is None:
            found = self._asked(images)
        else:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, images)
        output = NumpyCodec.encode_output("probabilities", found)
        return InferenceResponse(model_name=self.name, outputs=[output])

    def _asked(self, images: dict[str, list[bytes]]) -> Any:
        return self._answer(**{name: tf.constant(files) for name, files in images.items()})["probabilities"].numpy()
