"""The manifests as kubectl builds them."""

import functools
import ipaddress
import subprocess
from pathlib import Path

import yaml

MANIFESTS = Path(__file__).parents[3] / "manifests"


@functools.cache
def build(name):
    result = subprocess.run(["kubectl", "kustomize", MANIFESTS / name], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(result.stdout))


def find(name, kind, named=None):
    return next(d for d in build(name) if d["kind"] == kind and named in (None, d["metadata"]["name"]))


def may_reach(name, address, port):
    """Tells whether any policy that binds every pod lets it reach an address outside the cluster."""
    for policy in (d for d in build(name) if d["kind"] == "NetworkPolicy"):
        assert policy["spec"]["podSelector"] == {}
        for rule in policy["spec"].get("egress", ()):
            if not any(allowed["port"] == port for allowed in rule.get("ports", ())):
                continue
            for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to):
                inside = ipaddress.ip_address(address) in ipaddress.ip_network(block["cidr"])
                if inside and not any(
                    ipaddress.ip_address(address) in ipaddress.ip_network(e) for e in block.get("except", ())
                ):
                    return True
    return False
