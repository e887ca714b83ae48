"""What every report says about itself: how it counts, what it cannot see, what its words mean, and where help
is.
"""

from __future__ import annotations

from cyberalarm.central.reports import words
from cyberalarm.central.reports.document import Bullets, Paragraph, Part, Section, Term, Terms

_GLOSSARY = (
    Term(
        "Suspicious event",
        "A line of a log that shows something unwanted: a connection that was blocked, something that a "
        "protective program "
        "reported, or a connection that was let in to a service that should not face the Internet. Lines "
        "that say the same "
        "within a minute are counted together and each one counts.",
    ),
    Term(
        "Source",
        "The Internet address that an event came from. Behind one address there may be one machine or thousands.",
    ),
    Term(
        "Port",
        "A numbered door of a computer. Each service, such as a website or remote desktop, has its usual number.",
    ),
    Term("Blocked", "The firewall refused the connection. Nothing got in."),
    Term("Let through", "The device allowed it. That alone does not mean that something happened."),
    Term("Reported", "A device noticed it and said so, without saying that it stopped it."),
    Term(
        "May be forged",
        words.MAY_BE_FORGED,
    ),
    Term("CVE", "The public number of a known weakness in a product, for looking up the update that mends it."),
    Term("Intrusion detection", "A program, often inside the firewall, that recognises known unwanted traffic."),
)


def about(service: str, *, help_lines: tuple[str, ...], limits: tuple[str, ...]) -> Part:
    """The closing part. `limits` are those of this kind of report, said before the general ones."""
    return Part(
        "About this report",
        "How it was made, how far it can be relied on, and where to find help.",
        (
            Section("help", "Help", (Bullets(help_lines),)),
            Section("method", "How it was counted", (Paragraph(_method(service)),)),
            Section("limits", "What this report cannot see", (Bullets((*limits, *_LIMITS)),)),
            Section("glossary", "Words used", (Terms(_GLOSSARY),)),
        ),
    )


def _method(service: str) -> str:
    return (
        f"{service} reads the logs that a member's own devices write. A collector on the member's network "
        "keeps only what is suspicious, "
        "and of that only addresses, ports, times, counts and the names that devices gave; no content of any "
        "connection, no "
        "user name and no mailbox leaves the network. The centre counts what arrives. Days begin at "
        "midnight, UK time. One try "
        "can be seen by two devices and is then counted by each. Countries are looked up in a database of "
        "address registrations."
    )


_LIMITS = (
    "What no device wrote down, or what a device was not told to log.",
    "What is inside a connection: only who, where, when and how often.",
    "Networks behind another provider's firewall, home offices, and cloud services that send no log.",
    "Whether an address that was tried also gave way: a try is not a break-in.",
    "A quiet report is not proof that all is well.",
)


def police_help(contact: str) -> tuple[str, ...]:
    """Where help is, for police."""
    return (
        f"Questions about these figures, and about passing them on: {contact}.",
        "Advice for members is the task of their force's Cyber Protect officer, who finds each member's own report in the console.",
        f"A member who thinks that somebody is inside their network now should call {_REPORT_NOW}",
    )


_REPORT_NOW = (
    "the national reporting centre for fraud and cyber crime on 0300 123 2040, at any hour; in Scotland, 101. "
    "Machines should stay switched on, but off the network."
)


def member_help(contact: str) -> tuple[str, ...]:
    """Where help is, for members."""
    return (
        (
            "The National Cyber Security Centre (ncsc.gov.uk) has free guidance for small organisations, "
            "schools "
            "and charities."
        ),
        (
            "Your police force has a Cyber Protect officer, who advises free of charge and sells nothing. "
            "Ask "
            "for them at "
            f"{contact}."
        ),
        f"If you think that somebody is inside your network now, call {_REPORT_NOW}",
        "Send mail that looks wrong to report@phishing.gov.uk.",
    )
