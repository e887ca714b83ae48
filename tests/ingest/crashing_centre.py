"""A centre that is killed at a step: reads envelopes from a folder, ingests them, writes down every receipt.

    python crashing_centre.py FOLDER STEP COUNT

FOLDER holds `central.toml` (named by the environment) and `outbox/NNNN.env`; receipts go to `receipts/NNNN`,
each on disk before the next envelope. With a STEP the process kills itself with SIGKILL when that step is
done for the COUNTth time; without, it ends after the last envelope.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django

from cyberalarm.envelope.files import write_secret


def main(folder: Path, step: str, count: int) -> None:
    django.setup()
    from django.conf import settings

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest import services
    from cyberalarm.core.errors import CyberAlarmError

    left = [count]

    def after_step(name: str) -> None:
        if name == step:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    store = EventStore.open(settings.CONFIG.data / "events")
    ingest = services.start(settings.CONFIG, store, after_step)

    def deliver(path: Path) -> None:
        """Send until it is receipted, as a collector does."""
        while True:
            try:
                receipt = ingest.receive(path.read_bytes())
            except CyberAlarmError as error:
                if error.code != "chain-gap":
                    raise
                continue
            write_secret(folder / "receipts" / path.stem, receipt)
            return

    waiting = [p for p in sorted((folder / "outbox").iterdir()) if not (folder / "receipts" / p.stem).exists()]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, waiting))
    services.stop()
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
