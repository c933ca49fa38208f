"""Renders the NetworkPolicy of a gang of workers, with a pure function: who reaches its pods, and what they reach.

TensorFlow's servers ask nobody who they are: whoever reaches their ports can read and write files as the worker. So
each gang has a policy of its own, in whatever namespace it runs. Policies add up: a cluster whose DNS or storage is
elsewhere allows that by one more policy, which selects workers by their label app.kubernetes.io/component.
"""

from typing import Any

from components.train.launch.pods.job import ATTEMPT, COMPONENT, TRAINING, PodGang

# Addresses that no public storage has: private networks, those of carriers and of clusters, and a node's own services,
# such as a cloud's metadata server. manifests/base has the same list.
NOT_PUBLIC = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "240.0.0.0/4",
)
_DNS = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}
_STORAGE = {
    "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(NOT_PUBLIC)}}],
    "ports": [{"protocol": "TCP", "port": 443}],
}


def render_policy(gang: PodGang) -> dict[str, Any]:
    """Renders the policy: pods of this attempt reach each other, DNS and public storage; nobody else reaches them."""
    members = {"podSelector": {"matchLabels": {name: gang.labels[name] for name in (COMPONENT, TRAINING, ATTEMPT)}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": gang.name, "namespace": gang.namespace, "labels": gang.labels},
        "spec": {
            **members,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [members]}],
            "egress": [{"to": [members]}, _DNS, _STORAGE],
        },
    }


def owned_by(gang: PodGang, uid: str) -> dict[str, Any]:
    """Returns the change by which Kubernetes deletes the policy when it deletes the gang's Job or JobSet.

    Args:
      gang: The gang.
      uid: Of the Job or JobSet; empty to let the policy stay.
    """
    owner = {"apiVersion": gang.api_version, "kind": gang.kind, "name": gang.name, "uid": uid}
    return {"metadata": {"ownerReferences": [owner] if uid else None}}
