"""Why something signed or sealed was refused. Codes are stable; docs/envelope.md lists them."""

from __future__ import annotations

from cyberalarm.core.errors import RefusedError


class KeyRefused(RefusedError):  # noqa: N818 - the field says "refused", and so do we
    """A key's bytes or file are not what they should be."""

    code = "key-malformed"


class SignatureRefused(RefusedError):  # noqa: N818
    """A signature does not belong to this key and message."""

    code = "signature-refused"


class SealRefused(RefusedError):  # noqa: N818
    """What this machine sealed for itself does not open: damaged, or sealed with another key."""

    code = "seal-refused"


class EnvelopeRefused(RefusedError):  # noqa: N818
    """An envelope is not acceptable. Each subclass has its own code."""

    code = "envelope-refused"


class EnvelopeMalformed(EnvelopeRefused):
    """The bytes are not an envelope: cut off, over-long, or with a header that is not canonical."""

    code = "envelope-malformed"


class EnvelopeTooLarge(EnvelopeRefused):
    """The envelope is longer than any collector may send."""

    code = "envelope-too-large"


class EnvelopeVersion(EnvelopeRefused):
    """The envelope is of a version that this program does not know."""

    code = "envelope-version"


class EnvelopeSuite(EnvelopeRefused):
    """The envelope names an algorithm suite that is unknown, or not the one of its key."""

    code = "envelope-suite"


class EnvelopeSignature(EnvelopeRefused, SignatureRefused):
    """The envelope was not signed by this key, or was changed afterwards."""

    code = "envelope-signature"


class EnvelopeKeyUnknown(EnvelopeRefused):
    """The envelope is sealed to a key that we do not hold."""

    code = "envelope-key-unknown"


class EnvelopeUnopenable(EnvelopeRefused):
    """The key is ours, but the ciphertext does not open with it and this header."""

    code = "envelope-unopenable"


class PayloadMalformed(EnvelopeRefused):
    """What was inside a sealed envelope is not a bundle."""

    code = "payload-malformed"


class DocumentRefused(RefusedError):  # noqa: N818
    """A signed document (receipt, enrolment, status) is malformed or not for this purpose."""

    code = "document-malformed"


class TokenMalformed(RefusedError):  # noqa: N818
    """The text is not a whole registration token."""

    code = "token-malformed"


class RequestRefused(RefusedError):  # noqa: N818
    """A request is unsigned, too old or too new, or signed by somebody else."""

    code = "request-unsigned"


class ReleaseRefused(RefusedError):  # noqa: N818
    """A pack release is not acceptable. Each subclass has its own code."""

    code = "release-refused"


class ReleaseMalformed(ReleaseRefused):
    """The bytes are not a pack release: cut off, over-long, or not what their manifest says."""

    code = "release-malformed"


class ReleaseFormat(ReleaseRefused):
    """The release is of a later format than this program knows."""

    code = "release-format"


class ReleaseKeyUnknown(ReleaseRefused):
    """The release is signed by a key that is not trusted here."""

    code = "release-key-unknown"


class ReleaseSignature(ReleaseRefused, SignatureRefused):
    """The release was not signed by the key that it names, or was changed afterwards."""

    code = "release-signature"


class SourceListRefused(RefusedError):  # noqa: N818
    """A list of sources is not acceptable. Each subclass has its own code."""

    code = "sources-refused"


class SourceListMalformed(SourceListRefused):
    """The bytes are not a list of sources: cut off, over-long, or not in order."""

    code = "sources-malformed"


class SourceListForm(SourceListRefused):
    """The list is of a later form than this program knows."""

    code = "sources-form"


class SourceListSignature(SourceListRefused, SignatureRefused):
    """The list was not signed by the centre, or was changed afterwards."""

    code = "sources-signature"
