"""Tiles on Kubeflow's own object store, which speaks S3, and steps that find it there."""

import base64
import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping

import pytest
from kubeflow_pods import has, in_a_pod, kubectl

STORE_KEYS = "mlpipeline-minio-artifact"  # the Secret in which Kubeflow keeps its own
SETTINGS = {"AWS_REGION": "us-east-1", "S3_ENDPOINT": "http://minio-service.kubeflow.svc:9000"}
_WRITE = """
import sys
from pathlib import Path
from components.storage import s3
from components.synth.dataset import write_dataset
uri, number, size, seed = sys.argv[1], *map(int, sys.argv[2:])
folder = Path("/tmp/tiles")
write_dataset(folder, layout="paper-2020", num_tiles=number, seed=seed, tile_size_px=size, num_processes=1)
for path in folder.rglob("*"):
    if path.is_file():
        s3._files().copy(str(path), f"{uri}/{path.relative_to(folder)}", overwrite=True)
"""
_REMOVE = "import sys; from components.storage import s3; s3._files().rmtree(sys.argv[1])"


@contextlib.contextmanager
def tiles_on_s3(image: str, num_tiles: int, tile_size_px: int, seed: int) -> Iterator[str]:
    """Yields the s3:// URI of generated tiles that steps of runs can read, until it is left.

    Args:
      image: The ingest image.
    """
    if not has("secret", STORE_KEYS):
        pytest.skip("needs the object store that Kubeflow Pipelines brings along, and kubectl (KUBECONFIG)")
    if has("secret", "agrivision-s3"):
        pytest.skip("the Secret agrivision-s3 is there already, for another S3 than Kubeflow's own")
    found = json.loads(kubectl("get", "secret", STORE_KEYS, "-o", "json"))["data"]
    access, secret = (base64.b64decode(found[name]).decode() for name in ("accesskey", "secretkey"))
    keys = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
    uri = f"s3://mlpipeline/agrivision-tests/{uuid.uuid4().hex}"
    with _settings(keys):
        in_a_pod(_WRITE, uri, *map(str, (num_tiles, tile_size_px, seed)), image=image, variables=SETTINGS | keys)
        try:
            yield uri
        finally:
            in_a_pod(_REMOVE, uri, image=image, variables=SETTINGS | keys)


@contextlib.contextmanager
def _settings(keys: Mapping[str, str]) -> Iterator[None]:
    is_ours = not has("configmap", "agrivision")
    if is_ours:
        kubectl("create", "configmap", "agrivision")
    try:
        kubectl("patch", "configmap", "agrivision", "--type=merge", "-p", json.dumps({"data": SETTINGS}))
        kubectl("create", "secret", "generic", "agrivision-s3", *(f"--from-literal={k}={v}" for k, v in keys.items()))
        yield
    finally:
        kubectl("delete", "secret", "agrivision-s3", "--ignore-not-found")
        if is_ours:
            kubectl("delete", "configmap", "agrivision")
        else:
            gone = dict.fromkeys(SETTINGS)
            kubectl("patch", "configmap", "agrivision", "--type=merge", "-p", json.dumps({"data": gone}))
