"""The Rust kernel. Every method that works on many lines releases the interpreter lock."""

class Packs:
    """Compiled packs. `text` is the loader's JSON; raises ValueError naming pack and line."""

    def __init__(self, text: str) -> None: ...
    @staticmethod
    def pack(text: str) -> bytes:
        """The same in a form of this very kernel that `unpack` loads in a moment; raises ValueError."""

    @staticmethod
    def unpack(packed: bytes) -> Packs:
        """From `pack`'s bytes; raises ValueError for any other's."""

    def decode(self, buffer: bytes, *, received_ms: int, utc_offset_s: int = 0) -> Batch:
        """Decode the lines of a buffer; total on arbitrary bytes, memory bounded by the buffer."""

    def claims(self, line: bytes, *, received_ms: int) -> list[str]:
        """The names of all packs that would take a line, in the order in which they are asked; the first one does."""

    def explain(self, line: bytes, *, received_ms: int, utc_offset_s: int = 0) -> str:
        """One line's way through header, packs and mapping, as JSON."""

class Batch:
    """Decoded lines: one outcome code each, and a row for each that became an event."""

    @property
    def lines(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def absurd_times(self) -> int: ...
    @property
    def outcomes(self) -> bytes: ...
    def counts(self) -> list[int]: ...
    def products(self) -> list[tuple[str, int]]: ...
    def jsonl(self, first: int) -> bytes: ...
    def to_ipc(self, device: str) -> bytes: ...

class Sieve:
    """Rules over rows; remembers, within bounds, which sources were blocked or detected."""

    def __init__(self, text: str) -> None: ...
    def apply(self, batch: Batch) -> None: ...
    def explain(self, batch: Batch) -> list[str]: ...

class Summary:
    """One row per minute and flow, over many batches."""

    def __init__(self, packs: Packs) -> None: ...
    @property
    def rows(self) -> int: ...
    def add(self, batch: Batch, device: str) -> int: ...
    def drain(self) -> tuple[bytes, int]: ...
