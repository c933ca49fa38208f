"""The options of all commands that ask Kubeflow Pipelines, and of those that start a run there: declared once."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components import environment
from components.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.kubeflow.client import Kubeflow
    from pipeline.kubeflow.package import Package


_option = functools.partial(typer.Option, rich_help_panel="Kubeflow Pipelines")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Which Kubeflow Pipelines to ask, and as whom."""

    host: Annotated[str, _option(help="URL of Kubeflow Pipelines, e.g. http://localhost:8888; or KFP_ENDPOINT.")] = ""
    token: Annotated[str, _option(help="Bearer token, if the server needs one; or KFP_EXISTING_TOKEN.")] = ""
    insecure_token: Annotated[
        bool, _option("--insecure-token", help="Send the token even unencrypted, to an http:// address elsewhere.")
    ] = False
    namespace: Annotated[str, _option(help="Your namespace, if Kubeflow has several users.")] = ""

    @property
    def url(self) -> str:
        """The server's address; empty if neither the option nor the environment has one."""
        return self.host or environment.kfp_endpoint()

    def connect(self) -> "Kubeflow":
        """Connects to the server, whose address must be known.

        Raises:
          SettingsError: if no server answers there, or the token would go to it unencrypted.
        """
        from pipeline.kubeflow.client import Kubeflow

        token = self.token or environment.kfp_token()
        return Kubeflow(self.url, token, self.namespace, insecure_token=self.insecure_token)


def seconds_to_wait(timeout_minutes: float) -> float:
    """Returns for how many seconds --timeout-minutes has a command follow a run.

    Raises:
      SettingsError: if it is not above 0, or no number.
    """
    if not 0 < timeout_minutes < math.inf:
        raise SettingsError(
            f"--timeout-minutes must be above 0, got {timeout_minutes:g}; use --no-wait to return at once"
        )
    return 60 * timeout_minutes


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunThereOptions(ServerOptions):
    """Where a run is started, and which version of the pipeline with which images."""

    experiment: Annotated[str, _option(help="Experiment that the run belongs to.")] = "agrivision"
    image: Annotated[str, _option(help="Image of the steps; replaces the compiled one.")] = ""
    ingest_image: Annotated[str, _option(help="Image of ingest, shard and merge for an s3:// source.")] = ""
    version: Annotated[str, _option(help="Name of the pipeline version; default: commit and content.")] = ""
    volume_claim: Annotated[str, _option(help="Volume claim that every step mounts at /mnt/agrivision.")] = ""

    def package(self, sweep_form: Mapping[str, Any] | None = None) -> "Package":
        """Returns the pipeline to upload; see make_package."""
        from pipeline.kubeflow.package import make_package

        return make_package(bool(self.volume_claim), self.image, self.version, self.ingest_image, sweep_form)
