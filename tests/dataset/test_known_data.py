"""A run whose files are gone makes them anew, and one whose files are all there takes them from the cache."""

import msgspec
import pytest
from sharded import small_dataset

from components import storage
from components.contracts import Inventory, ShardReceipt
from components.dataset import kept_documents
from components.dataset.known_data import cache_tokens, remember_dataset, remember_listing, request_of
from components.dataset.receipts import receipt_sha256
from components.errors import DataError

REQUEST = request_of({"source_uri": "gs://b/tiles", "data": {"seed": 1}})
KINDS = (
    *("shards/*.tfrecord", "shards/*.records", "receipts/*", "inventories/*/*.jsonl", "documents/*", "requests/*/l*"),
    *("datasets/*/manifest.json", "datasets/*/fields.jsonl", "datasets/*/report.html"),
)


@pytest.fixture
def done(tmp_path):
    """A dataset that a run has made; returns data_root, what it said, and a function that asks for tokens."""
    root, inventory_path, manifest = small_dataset(tmp_path)
    inventory, said = Inventory.read(inventory_path), []

    def ask():
        return cache_tokens(str(root), REQUEST, said.append)

    listing, dataset = ask()
    remember_listing(str(root), listing, inventory)
    remember_dataset(str(root), dataset, inventory.sha256, manifest.sha256)
    return root, said, ask, (listing, dataset), inventory, manifest


def test_the_tokens_stay_while_all_files_are_there(done):
    _, said, ask, tokens, *_ = done

    assert ask() == tokens
    assert ask() == tokens
    assert said == []


@pytest.mark.parametrize("kind", KINDS)
def test_they_change_when_any_file_is_gone(done, kind):
    root, said, ask, tokens, inventory, _ = done
    victim = min(root.glob(kind.replace("documents/*", f"documents/{inventory.sha256}.json")))
    victim.unlink()

    again = ask()

    assert not {*again} & {*tokens}
    assert kind.startswith("requests") or victim.name in said[0]


@pytest.mark.parametrize("kind", ["shards/*.tfrecord", "shards/*.records", "datasets/*/manifest.json", "documents/*"])
def test_they_change_when_a_file_is_cut_short(done, kind):
    root, _, ask, tokens, inventory, _ = done
    victim = min(root.glob(kind.replace("documents/*", f"documents/{inventory.sha256}.json")))
    victim.write_bytes(victim.read_bytes()[:-1])

    assert not {*ask()} & {*tokens}


def test_a_run_that_never_got_to_a_dataset_keeps_its_listing_and_looks_at_its_shards_again(done):
    root, said, ask, (listing, dataset), *_ = done
    (root / "requests" / REQUEST / "dataset.json").unlink()

    again = ask()

    assert again[0] == listing
    assert again[1] != dataset
    assert said == []


def test_an_empty_data_root_never_trusts_the_cache(tmp_path):
    first, second = (cache_tokens(str(tmp_path / "none"), REQUEST, print) for _ in range(2))

    assert not {*first} & {*second}


def test_two_listings_under_one_token_spoil_it(done):
    """Another image may list again under the token; which of the two the cache has is unknown."""
    root, _, ask, (listing, _), inventory, _ = done
    changed = msgspec.structs.replace(inventory, fingerprint="0" * 64)

    remember_listing(str(root), listing, changed)

    assert ask()[0] != listing
    remember_listing(str(root), fresh := ask()[0], changed)
    assert ask()[0] == fresh


def test_two_datasets_under_one_token_spoil_it(done):
    root, _, ask, (listing, dataset), inventory, _ = done

    remember_dataset(str(root), dataset, inventory.sha256, "0" * 64)

    assert ask()[0] != dataset
    assert ask()[1] != dataset
    assert (root / "requests" / REQUEST / "listing.json").exists()
    assert listing


def test_the_same_answer_again_spoils_nothing(done):
    root, _, ask, tokens, inventory, manifest = done

    remember_listing(str(root), tokens[0], inventory)
    remember_dataset(str(root), tokens[1], inventory.sha256, manifest.sha256)

    assert ask() == tokens


def test_other_requests_have_other_tokens_in_one_data_root(done):
    root, _, ask, tokens, *_ = done
    other = request_of({"source_uri": "gs://b/others", "data": {"seed": 1}})

    assert not {*cache_tokens(str(root), other, print)} & {*tokens}
    assert ask() == tokens


def test_ten_thousand_shards_cost_a_listing_each_of_four_folders(done, monkeypatch):
    root, _, ask, *_ = done
    listed, asked = [], []
    list_files = storage.list_files
    monkeypatch.setattr(storage, "list_files", lambda uri, say=None: listed.append(uri) or list_files(uri))
    monkeypatch.setattr(storage, "exists", asked.append)

    ask()

    folders = [uri.removeprefix(f"{root}/").split("/")[0] for uri in listed]
    assert sorted(folders) == ["datasets", "inventories", "receipts", "shards"]
    assert asked == []


def test_a_receipt_has_one_hash_wherever_its_shard_stands_in_a_plan_and_another_for_other_content(done):
    root, *_ = done
    receipts = [ShardReceipt.read(path) for path in sorted((root / "receipts").iterdir())]
    first = receipts[0]
    moved = msgspec.structs.replace(first, split="val", index=17)

    assert receipt_sha256(moved.to_json()) == receipt_sha256(first.to_json())
    changed = msgspec.structs.replace(first, valid_pixels=first.valid_pixels + 1)
    hashes = {receipt_sha256(each.to_json()) for each in (*receipts, changed)}
    assert len(hashes) == len(receipts) + 1


def test_a_kept_document_is_found_by_its_sha256_and_a_changed_one_refused(done):
    root, _, _, _, inventory, _ = done
    uri = root / "documents" / f"{inventory.sha256}.json"

    assert kept_documents.read_kept(str(root), inventory.sha256, Inventory) == inventory
    uri.write_bytes(inventory.to_json().replace(b'"num_tiles": 16', b'"num_tiles": 17'))
    with pytest.raises(DataError, match="expected that of its name; restore it"):
        kept_documents.read_kept(str(root), inventory.sha256, Inventory)
    assert kept_documents.keep_document(str(root), inventory) == inventory.sha256
    assert kept_documents.read_kept(str(root), inventory.sha256, Inventory) == inventory
