"""Triggers as they may be written down."""

import datetime

from components.contracts import AttemptState, RunOutcome, Trigger, TriggerAttempt
from pipeline.retrain.triggers import utc_time

NOON = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
AT = utc_time(NOON)


def attempt(number=1, state=AttemptState.CLAIMED, outcome=None, at=AT, **more) -> TriggerAttempt:
    has_run = state is not AttemptState.CLAIMED and outcome is not RunOutcome.NOT_STARTED
    return TriggerAttempt(
        number=number,
        state=state,
        claimed_at=AT,
        expires_at=utc_time(NOON + datetime.timedelta(minutes=10)),
        by="host 1",
        reasons=("3 new tiles",),
        run_name=f"p retrain-{'c' * 64}-{number}",
        run_id=f"run-{number}" if has_run else "",
        started_at=AT if has_run else None,
        ended_at=at if outcome else None,
        outcome=outcome,
        **more,
    )


def ended(*outcomes, at=AT) -> list[TriggerAttempt]:
    return [attempt(number, AttemptState.ENDED, RunOutcome(each), at) for number, each in enumerate(outcomes, 1)]


def trigger(*attempts: TriggerAttempt) -> Trigger:
    return Trigger(
        key="c" * 64,
        source_uri="gs://b/tiles",
        fingerprint="f" * 64,
        pipeline_sha256="e" * 64,
        pipeline_version="sha-e",
        parameters={"train_epochs": 20},
        num_tiles=600,
        attempts=attempts,
    )
