"""The shape of a pack file, checked strictly: an unknown key is an error that names file and key.

A pack says how a product's lines are recognised (`begins`, `contains`, `programs`, `locate`), split (`syntax`) and understood
(`kind`: conditions, then fields). No code stands in packs. docs/packs.md describes every key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cyberalarm.core.outcome import Outcome

Text = Annotated[str, Field(min_length=1)]
Sensor = Literal["firewall", "ids", "antivirus", "antispam"]
Slots = Text | list[Text | list[Text]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSource(_Strict):
    """Where a field's value comes from, and through which table."""

    from_: Slots = Field(default_factory=list, alias="from")
    after: Text | None = None
    after_last: Text | None = None
    before: Text | None = None
    before_last: Text | None = None
    strip: Text | None = None
    part: Literal["address", "port"] | None = None
    order: Literal["day", "month"] | None = None
    zone: Literal["utc"] | None = None
    map: Text | dict[str, str] | None = None
    contains: list[tuple[Text, str]] = []
    default: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> FieldSource:
        if self.value is not None and (self.from_ or self.default is not None):
            raise ValueError("`value` stands alone: no `from`, no `default`")
        if self.value is None and not self.from_:
            raise ValueError("needs `from` or `value`")
        return self


class Test(_Strict):
    """Conditions on a slot other than equality, all of which must hold."""

    prefix: Text | list[Text] | None = None
    contains: Text | list[Text] | None = None
    lacks: Text | list[Text] | None = None
    not_: Text | list[Text] | None = Field(default=None, alias="not")
    is_: Literal["address", "number"] | None = Field(default=None, alias="is")
    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _some(self) -> Test:
        if not self.model_fields_set:
            raise ValueError("needs one of `prefix`, `contains`, `lacks`, `not`, `is`, `at_least` and `below`")
        return self


Condition = bool | str | list[str] | Test
Conditions = dict[str, Condition]
FieldTable = dict[str, Slots | FieldSource]


class KeyValueOptions(_Strict):
    pair: str = Field(default=" ", min_length=1, max_length=1)
    equals: str = Field(default="=", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    escape: str | None = Field(default="\\", min_length=1, max_length=1)
    spaced: bool = False


class CsvOptions(_Strict):
    separator: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    brackets: bool = False
    collapse: bool = False


class Kind(_Strict):
    """What a line means when its conditions hold; the first kind that applies decides."""

    name: Text
    noise: bool = False
    again: bool = False
    sensor: Sensor | None = None
    when: Conditions | list[Conditions] = {}
    columns: list[Text] = []
    require: list[Text] | None = None
    fields: FieldTable = {}


class Line(_Strict):
    """One way in which the product writes lines."""

    name: Text
    syntax: Literal["kv", "csv", "json", "xml", "cef", "leef", "template"]
    begins: list[Text] = []
    contains: list[Text | list[Text]] = []
    programs: list[Text] = []
    programs_only: bool = False
    locate: Text | None = None
    last_may_be_cut: bool = False
    once: list[Text] = []
    kv: KeyValueOptions = KeyValueOptions()
    csv: CsvOptions = CsvOptions()
    columns: list[Text] = []
    templates: list[Text] = []
    fields: FieldTable = {}
    kind: list[Kind] = Field(min_length=1)

    @model_validator(mode="after")
    def _fitting(self) -> Line:
        if (self.syntax == "template") != bool(self.templates):
            raise ValueError("`templates` belong to the syntax template, and it needs one")
        if self.programs_only and not self.programs:
            raise ValueError("`programs_only` needs `programs`")
        if self.once and self.syntax in ("csv", "template"):
            raise ValueError("`once` is for syntaxes with keys: what stands in a column or a template stands once")
        if self.syntax != "csv" and (self.columns or any(kind.columns for kind in self.kind)):
            raise ValueError("`columns` belong to the syntax csv")
        return self


class Example(_Strict):
    """A sample line (documentation addresses only) and what must come of it."""

    line: Text
    outcome: Outcome
    event: dict[str, str | int | list[str]] = {}


class Pack(_Strict):
    name: Text = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    vendor: Text
    product: Text
    version: int = Field(ge=1)
    sensor: Sensor
    summary: Text
    transports: list[Literal["udp", "tcp", "tls", "file"]] = Field(min_length=1)
    setup: Text
    warning: str = ""
    sources: list[Text] = []
    fallback: bool = False
    over: list[Text] = []
    common: bool = False
    maps: dict[str, dict[str, str]] = {}
    line: list[Line] = Field(min_length=1)
    example: list[Example] = Field(min_length=1)
