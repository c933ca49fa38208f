"""What Kubernetes' events say of a gang's Job and pods: why they do not come, start, or get out of their queue."""

from typing import Any

from components.train.job import Gang
from components.train.launch import Kubernetes


def last_warning(api: Kubernetes, gang: Gang, name: str) -> str:
    """Returns the last warning about the Job or pod of that name, in one line; empty if there is none.

    Of a Job that waits in a queue, the last that Kueue said of it, for as long as it keeps events, an hour or so.
    """

    def select(selector: str) -> list[dict[str, Any]]:
        return api.select("event", gang.namespace, fieldSelector=selector)

    events = select(f"involvedObject.name={name},type=Warning")
    if gang.queue and name == gang.job_name:
        # Kueue admits a Job by way of a Workload, and says there why not, or why no longer.
        prefix = f"{gang.api}-{gang.name}-"
        workloads = select("involvedObject.kind=Workload")
        events += [event for event in workloads if event["involvedObject"]["name"].startswith(prefix)]
    if not events:
        return ""
    last = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return f"{last.get('reason', '')}: {' '.join(str(last.get('message', '')).split())}"
