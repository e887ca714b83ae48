"""The shape of a pack file, checked strictly: an unknown key is an error that names file and key.

A pack says how a product's lines are recognised (`begins`, `contains`, `programs`, `locate`), split (`syntax`) and understood
(`kind`: conditions, then fields). Kinds that several lines have stand once, under the pack; when it has been read, each line has
them all. No code stands in packs. docs/packs.md describes every key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cyberalarm.core.outcome import Outcome

Text = Annotated[str, Field(min_length=1)]
Sensor = Literal["firewall", "ids", "antivirus", "antispam"]
Slots = Text | list[Text | list[Text]]
# In `kinds`: all of the pack's that are not named; in `names`: what stands before the names of all other slots.
OTHERS = "*"
# Slots that no syntax fills, as the kernel knows them.
PSEUDO = frozenset({"@prefix", "@program", "@msgid", "@message", "@columns"})


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
    like: bool = False
    sensor: Sensor | None = None
    when: Conditions | list[Conditions] = {}
    columns: list[Text] = []
    require: list[Text] | None = None
    fields: FieldTable = {}

    def slots(self) -> set[str]:
        """The names of all slots that it asks for."""
        conditions = self.when if isinstance(self.when, list) else [self.when]
        return {slot for table in conditions for slot in table}.union(*map(_slots_of, self.fields.values()))

    def over(self, shared: Kind) -> Kind:
        """The shared kind with what this one says otherwise."""
        said = {key: getattr(self, key) for key in self.model_fields_set - {"like", "fields"}}
        return shared.model_copy(update={**said, "fields": {**shared.fields, **self.fields}})

    def renamed(self, names: dict[str, str]) -> Kind:
        """The same kind over slots of other names."""
        if not names:
            return self
        rest = names.get(OTHERS, "")
        names = {slot: names.get(slot, slot if slot in PSEUDO else rest + slot) for slot in self.slots()}
        tables = self.when if isinstance(self.when, list) else [self.when]
        when = [{names[slot]: test for slot, test in table.items()} for table in tables]
        fields = {target: _renamed(source, names) for target, source in self.fields.items()}
        return self.model_copy(update={"when": when if isinstance(self.when, list) else when[0], "fields": fields})


def _slots_of(source: Slots | FieldSource) -> set[str]:
    slots = source.from_ if isinstance(source, FieldSource) else source
    if isinstance(slots, str):
        return {slots}
    return {slot for one in slots for slot in ([one] if isinstance(one, str) else one)}


def _renamed(source: Slots | FieldSource, names: dict[str, str]) -> Slots | FieldSource:
    match source:
        case FieldSource():
            return source.model_copy(update={"from_": _renamed(source.from_, names)})
        case str():
            return names[source]
        case _:
            return [names[one] if isinstance(one, str) else [names[slot] for slot in one] for one in source]


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
    kind: list[Kind] = []
    kinds: list[Text] = []
    names: dict[Text, Text] = {}

    @model_validator(mode="after")
    def _fitting(self) -> Line:
        if not (self.kind or self.kinds):
            raise ValueError("needs `kind`, or `kinds` with names of the pack's")
        if (self.syntax == "template") != bool(self.templates):
            raise ValueError("`templates` belong to the syntax template, and it needs one")
        if self.programs_only and not self.programs:
            raise ValueError("`programs_only` needs `programs`")
        if self.once and self.syntax in ("csv", "template"):
            raise ValueError("`once` is for syntaxes with keys: what stands in a column or a template stands once")
        if self.syntax != "csv" and (self.columns or any(kind.columns for kind in self.kind)):
            raise ValueError("`columns` belong to the syntax csv")
        return self

    def with_kinds(self, shared: dict[str, Kind]) -> Line:
        """The line with the kinds that it names, the pack's or its own; others of its own come first. Raises ValueError."""
        listed = [
            name
            for one in self.kinds
            for name in ([one] if one != OTHERS else [other for other in shared if other not in self.kinds])
        ]
        own = {kind.name: kind for kind in self.kind if kind.name in listed}
        wanted = {name for name in listed if name not in own} | {kind.name for kind in self.kind if kind.like}
        if missing := sorted(wanted - set(shared)) or sorted(wanted - set(listed)):
            raise ValueError(f"line {self.name!r}: the pack, or this line's `kinds`, has no kind {missing[0]!r}")
        taken = {name: shared[name] for name in wanted}
        slots = {OTHERS}.union(*(kind.slots() for kind in taken.values()))
        if unknown := sorted(set(self.names) - slots):
            raise ValueError(f"line {self.name!r}: none of its shared kinds has a slot {unknown[0]!r}")
        taken = {name: kind.renamed(self.names) for name, kind in taken.items()}
        own = {name: kind.over(taken[name]) if kind.like else kind for name, kind in own.items()}
        kinds = [kind for kind in self.kind if kind.name not in own]
        kinds += [own.get(name) or taken[name] for name in listed]
        if self.syntax != "csv" and any(kind.columns for kind in kinds):
            raise ValueError(f"line {self.name!r}: `columns` belong to the syntax csv")
        return self.model_copy(update={"kind": kinds, "kinds": listed})


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
    kind: list[Kind] = []
    line: list[Line] = Field(min_length=1)
    example: list[Example] = Field(min_length=1)

    @property
    def title(self) -> str:
        """Vendor and product as people write them, without saying a name twice."""
        vendor, product = self.vendor, self.product
        return vendor + product[len(vendor) :] if product.lower().startswith(vendor.lower()) else f"{vendor} {product}"

    @model_validator(mode="after")
    def _whole_lines(self) -> Pack:
        shared = {kind.name: kind for kind in self.kind}
        if len(shared) < len(self.kind):
            raise ValueError("two of the pack's own kinds have one name")
        if any(kind.like for kind in self.kind):
            raise ValueError("`like` belongs to a line's own kinds")
        # The model is frozen for everybody else.
        object.__setattr__(self, "line", [line.with_kinds(shared) for line in self.line])
        return self
