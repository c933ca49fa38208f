"""The right to train, which one launch at a time has; see one_at_a_time.py, which hands it out.

In a folder, it is a file lock, which the system releases when its holder dies (file_lock.py). In a bucket, it is an
object that its holder keeps rewriting by compare-and-swap (bucket_lease.py): another launch that sees it unchanged for
its stated duration may take it over. The machines' clocks need not agree.

What a bucket guarantees, and what it does not:

- The holder counts from the start of its last renewal that succeeded, and gives up a little before another launch may
  take over. A renewal that hangs does not count, nor does a machine's sleep stop the count.
- Only one thing lets another launch take over sooner: the holder said which pod it is, and Kubernetes says that this
  pod, by its uid, has ended or is no more. That the holder is silent is not enough, nor that Kubernetes is.
- Its workers on the same machine get no more time than it has itself (see local/gang.py).
- `confirm` renews the lease, which fails if anybody else ever had it. Then the receipt is written by compare-and-swap
  with what was there when the lease was taken: of two owners, only the first one's is kept, and it is complete.
- The server itself does not know the lease: no bucket makes the write of one object depend on another. A process that
  is stopped for longer than the lease between `confirm` and that write, or a worker between its last look at the time
  and a write, still writes when it wakes up; so may one whose pod was deleted by force, on a node that is cut off. That
  can leave a receipt that the other launch then finds and respects, or files of a checkpoint or an export: equal to the
  other's, as the training is, or else a digest tells.
"""

from typing import Protocol

from components.errors import AgrivisionError
from components.train.settings.worker_spec import EXIT_TRY_AGAIN


class LostLease(AgrivisionError):
    """Another launch has taken over this training, or may have."""

    exit_code = EXIT_TRY_AGAIN


class Lease(Protocol):
    """The right to train."""

    def check(self) -> float:
        """Returns for how many seconds nobody else may take over; asks nobody.

        Raises:
          LostLease: If it is lost, or not known to be held.
        """

    def confirm(self) -> None:
        """Makes sure that it is held, and was all the time, whatever this machine's clock says.

        Raises:
          LostLease: If it is lost.
          AgrivisionError: If this cannot be found out.
        """


class Whereabouts(Protocol):
    """What others can find out about this launch, and this launch about others."""

    def place(self) -> str:
        """Returns where this launch runs, in at most 300 characters; empty if nobody could find out whether it does."""

    def has_ended(self, place: str) -> bool:
        """Tells whether the launch that runs at a place is known to have ended; False if that is not known.

        Args:
          place: As another launch told it, or anybody who can write where the lease is.
        """


class Nowhere:
    """The whereabouts of a launch that nobody can find, and that can find nobody."""

    def place(self) -> str:
        """See Whereabouts."""
        return ""

    def has_ended(self, place: str) -> bool:
        """See Whereabouts."""
        return False
