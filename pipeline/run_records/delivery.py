"""Which events were delivered, in a file of its own beside each record, so that the record's bytes stay as they are.

An event is sent until the receiver has taken it once. If this process ends after that and before it is written down, it
is sent again, under the same id: by the id, the receiver knows that it has it.
"""

import datetime
from collections.abc import Callable
from enum import StrEnum
from typing import ClassVar

from components import storage
from components.contracts import Document, RunRecord
from components.contracts.names import UtcTime
from components.errors import AgrivisionError, as_user_error
from components.run_records.last_step import document_time
from components.run_records.record_file import FOLDER
from components.words import number_of
from pipeline.run_records.event import event_body, event_id
from pipeline.run_records.webhook import Away, Gone, NotDelivered, Webhook, send_event


class DeliveryState(StrEnum):
    """What came of an event."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    GONE = "gone"  # the receiver wants no more


class Delivery(Document, frozen=True, kw_only=True):
    """`runs/<run id>.delivery` under data_root.

    Attributes:
      event: Its id.
      at: When it was last tried.
      why: It was not delivered; empty if it was.
    """

    way_out: ClassVar[str] = "remove it to have the event sent again"

    event: str
    state: DeliveryState
    at: UtcTime
    why: str = ""


def delivery_uri(data_root: str, run_id: str) -> str:
    """Returns where it is written down what came of the event of a run."""
    return storage.join(data_root, FOLDER, f"{run_id}.delivery")


def read_delivery(data_root: str, run_id: str) -> Delivery | None:
    """Returns what came of the event of a run; None if none was sent.

    Raises:
      DataError: if it is damaged.
    """
    uri = delivery_uri(data_root, run_id)
    try:
        return Delivery.from_json(storage.read_bytes(uri), uri)
    except FileNotFoundError:
        return None


class Deliveries:
    """Sends the events of runs that have ended, each unless it was delivered before. It never fails a run.

    A receiver that does not answer is not asked again: many events would take many times the patience for one.

    Args:
      webhook: Nothing is sent without one.
      warn: Takes a line about an event that was not delivered.
    """

    def __init__(self, webhook: Webhook | None, warn: Callable[[str], None]) -> None:
        self._webhook, self._warn = webhook, warn
        self._is_away = False
        self._num_left = 0

    def __call__(self, data_root: str, record: RunRecord) -> None:
        """Sends the event of a run."""
        if (webhook := self._webhook) is None:
            return
        try:
            why = self._sent(webhook, data_root, record)
        except (AgrivisionError, OSError) as error:
            why = str(as_user_error(error) or error)
        if why:
            self._warn(f"{webhook} was not told of the end of run {record.run_id}: {why}; the next collect tries again")

    def end(self) -> None:
        """Tells how many events were left to the next collect."""
        if self._num_left:
            runs = number_of(self._num_left, "more run")
            self._warn(f"{self._webhook} was not told of {runs}, as it does not answer; the next collect tries again")

    def _sent(self, webhook: Webhook, data_root: str, record: RunRecord) -> str:
        """Sends an event that is due, and writes down what came of it; returns why it is due again, or nothing."""
        before = read_delivery(data_root, record.run_id)
        if before and before.event == event_id(record) and before.state is not DeliveryState.UNDELIVERED:
            return ""
        if self._is_away:
            self._num_left += 1
            return ""
        state, why = DeliveryState.DELIVERED, ""
        try:
            send_event(webhook, event_body(data_root, record))
        except NotDelivered as error:
            self._is_away = isinstance(error, Away)
            state = DeliveryState.GONE if isinstance(error, Gone) else DeliveryState.UNDELIVERED
            why = str(error)
        now = document_time(datetime.datetime.now(datetime.UTC))
        delivery = Delivery(event=event_id(record), state=state, at=now, why=why)
        storage.write_bytes(delivery_uri(data_root, record.run_id), delivery.to_json())
        return why if state is DeliveryState.UNDELIVERED else ""


def deliver(data_root: str, record: RunRecord, webhook: Webhook | None, warn: Callable[[str], None]) -> None:
    """Sends the event of one run that has ended; see Deliveries."""
    Deliveries(webhook, warn)(data_root, record)
