"""The configuration's sections about what else lines are taken from: TLS, files that grow, the drop folder.

Paths are relative to the configuration file's folder; `under` makes them whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from pathlib import Path

CERTIFICATE, KEY = (
    "tls-certificate.pem",
    "tls-key.pem",
)  # what `cyberalarm collector certificate` makes in the data folder


def _pattern(text: str) -> str:
    if not text or text.endswith("/") or "**" in text or "\0" in text:
        raise ValueError(
            "write a file, such as /var/log/suricata/eve.json; * and ? may stand for parts of names, ** may not"
        )
    return text


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Section):
    """The certificate that devices see, and which certificates they must show themselves, if any."""

    certificate: str = ""
    key: str = ""
    client_authorities: str = ""

    @model_validator(mode="after")
    def _both(self) -> Tls:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key belong together; one of them is missing")
        return self


class WatchedFile(_Section):
    """A file that grows, or several of one pattern."""

    path: Annotated[str, AfterValidator(_pattern)]
    device: str = Field(default="", max_length=100)
    begin: Literal["start", "end"] = "start"


class Drop(_Section):
    """A folder into which whole log files are put."""

    folder: str = ""
    settle_seconds: float = Field(default=5, ge=1, le=3600)
    keep_days: int = Field(default=0, ge=0, le=3650)


Files = Annotated[list[WatchedFile], Field(max_length=100)]


def under(folder: Path, tls: Tls, files: list[WatchedFile], drop: Drop) -> dict[str, object]:
    """The three sections with whole paths."""

    def whole(text: str) -> str:
        return str((folder / text).absolute()) if text else ""

    return {
        "tls": Tls(
            certificate=whole(tls.certificate), key=whole(tls.key), client_authorities=whole(tls.client_authorities)
        ),
        "files": [one.model_copy(update={"path": whole(one.path)}) for one in files],
        "drop": drop.model_copy(update={"folder": whole(drop.folder)}),
    }
