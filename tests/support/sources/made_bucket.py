"""A bucket for a test, on the gs:// server that the tests are given."""

from google.cloud import storage


def make_bucket(name: str) -> None:
    """Makes a bucket, and leaves no connection for another test to stumble over."""
    client = storage.Client()
    try:
        client.create_bucket(name)
    finally:
        client._http.close()
