"""What the lab refuses or cannot do."""

from __future__ import annotations

from cyberalarm.core.errors import ConfigurationError, NotReachableError, RefusedError


class TargetRefusedError(RefusedError):
    """The lab was asked to send its lines somewhere that is not this machine."""

    code = "lab-target-refused"


class LabFolderError(ConfigurationError):
    """A folder does not hold what `lab generate` writes."""

    code = "lab-folder"


class ReceiverGoneError(NotReachableError):
    """Nothing listens, or it closed the connection half way."""

    code = "lab-receiver-gone"
