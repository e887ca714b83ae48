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
    """Rules over rows; remembers, within bounds, which sources were suspicious, and holds what others were let in to."""

    def __init__(self, text: str) -> None: ...
    def apply(self, batch: Batch, device: str = "") -> None: ...
    def list_sources(self, ranges: list[tuple[str, str]]) -> None:
        """The sources that are listed from now on: first and last address, 32 hexadecimal digits each; raises ValueError."""

    @property
    def recalled(self) -> int:
        """Rows that were recalled and wait for `Summary.recall`."""
    def explain(self, batch: Batch) -> list[str]: ...

class Summary:
    """One row per minute and flow, over many batches."""

    def __init__(self, packs: Packs) -> None: ...
    @property
    def rows(self) -> int: ...
    def add(self, batch: Batch, device: str) -> int: ...
    def recall(self, sieve: Sieve, most: int) -> list[tuple[str, int]]:
        """Add at most `most` recalled rows of a sieve; gives how many lines of which device."""

    def checkpoint(self) -> tuple[bytes, int]:
        """The rows since the last checkpoint, as `drain` gives them; they stay."""

    def drain(self) -> tuple[bytes, int]: ...

def events(ipc: bytes, schema: str) -> bytes:
    """The events of a summary's stream as JSON lines; `schema` is the loader's. Raises ValueError for any other stream."""

def joined(streams: list[bytes]) -> tuple[bytes, int]:
    """What checkpoints gave as one stream, flow by flow, and its rows. Raises ValueError for any other stream."""

def by_host(buffer: bytes) -> list[tuple[str, bytes]]:
    """A buffer's lines by the host that their headers name, empty for none; one alone has no lines: they are the whole buffer."""
