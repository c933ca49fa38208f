import numpy as np
import tensorflow as tf

from components.train.input.batch_memory import BatchMemory, as_tensor


def test_memory_is_used_again_only_when_nobody_looks_at_it() -> None:
    memory = BatchMemory()
    array = memory.array((4, 100, 3))
    array.fill(7)
    where = array.ctypes.data
    tensor = as_tensor(array)
    view = array[1, :, 0]
    del array
    other = memory.array((4, 100, 3))
    assert other.ctypes.data != where
    other.fill(9)
    numpy = tensor.numpy()
    del tensor
    assert memory.array((4, 100, 3)).ctypes.data != where  # `view` and `numpy` still look at it
    assert (view == 7).all()
    assert (numpy == 7).all()
    del view, numpy
    assert memory.array((4, 100, 3)).ctypes.data == where


def test_a_tensor_has_the_memory_of_its_array() -> None:
    array = BatchMemory().array((2, 5, 5, 3))
    array[...] = np.arange(150).reshape(2, 5, 5, 3)
    assert array.ctypes.data % 64 == 0
    tensor = as_tensor(array)
    array[0, 0, 0, 0] = 200
    assert tensor[0, 0, 0, 0].numpy() == 200
    assert tf.reduce_sum(tf.cast(tensor, tf.int64)).numpy() == array.astype(int).sum()
