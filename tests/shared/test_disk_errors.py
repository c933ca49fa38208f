"""What TensorFlow says of a disk becomes an error that names the place, whatever stands around it."""

import errno

import pytest

from components.errors import as_user_error, disk_error_in

_ON_A_DEVICE = (
    "{{function_node __wrapped__SaveV2_dtypes_2_device_/job:localhost/replica:0/task:0/device:CPU:0}} "
    "/data/new/training/a b/part-0; No space left on device [Op:SaveV2]"
)


@pytest.mark.parametrize(
    ("text", "number", "path"),
    [
        ("/data/new/part-0; No space left on device", errno.ENOSPC, "/data/new/part-0"),
        (_ON_A_DEVICE, errno.ENOSPC, "/data/new/training/a b/part-0"),
        ("/data/part-0; Permission denied", errno.EACCES, "/data/part-0"),
        ("/data/part-0; File too large", errno.EFBIG, "/data/part-0"),
    ],
)
def test_the_place_is_read_out_of_what_tensorflow_says(text: str, number: int, path: str) -> None:
    found = disk_error_in(text)
    assert found is not None
    assert (found.errno, found.filename) == (number, path)
    assert path.rpartition("/")[0] in str(as_user_error(found))


@pytest.mark.parametrize("text", ["OOM when allocating tensor; GPU_0", "No space left on device", ""])
def test_what_names_no_path_is_no_error_of_a_disk(text: str) -> None:
    assert disk_error_in(text) is None
