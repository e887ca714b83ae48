"""What the lab's detectors recognise.

CVE numbers are real; numbers and wording of rules are the lab's own.
"""

from __future__ import annotations

from cyberalarm.lab.traffic import Signature

WEB = "Web Application Attack"
ADMIN = "Attempted Administrator Privilege Gain"
RECON = "Attempted Information Leak"
POLICY = "Potential Corporate Privacy Violation"

# Scripted at members with Suricata.
EXPLOITS: tuple[Signature, ...] = (
    Signature(
        2900101,
        "EXPLOIT Apache HTTP Server path traversal attempt (CVE-2021-41773)",
        WEB,
        1,
        ("CVE-2021-41773",),
    ),
    Signature(2900102, "EXPLOIT Log4j JNDI lookup in request header (CVE-2021-44228)", ADMIN, 1, ("CVE-2021-44228",)),
    Signature(2900103, "EXPLOIT PHP-CGI argument injection attempt (CVE-2024-4577)", WEB, 1, ("CVE-2024-4577",)),
    Signature(
        2900104,
        "EXPLOIT PHPUnit eval-stdin remote code execution (CVE-2017-9841)",
        WEB,
        1,
        ("CVE-2017-9841",),
    ),
    Signature(2900105, "EXPLOIT Confluence OGNL injection attempt (CVE-2022-26134)", ADMIN, 1, ("CVE-2022-26134",)),
)
# Scripted at the member with a FortiGate, whose IPS log has no field for a CVE number.
FORTIGATE_EXPLOITS: tuple[Signature, ...] = (
    Signature(51006, "Apache.Log4j.Error.Log.Remote.Code.Execution", WEB, 1),
    Signature(45765, "PHPUnit.Eval-stdin.PHP.Remote.Code.Execution", WEB, 1),
    Signature(50825, "Apache.HTTP.Server.cgi-bin.Path.Traversal", WEB, 2),
)
# Background, inbound, with the port each is about.
BACKGROUND: tuple[tuple[Signature, int], ...] = (
    (Signature(2900201, "SCAN repeated connection attempts to SSH", RECON, 2), 22),
    (Signature(2900202, "SCAN suspicious inbound to MSSQL port 1433", "Potentially Bad Traffic", 2), 1433),
    (Signature(2900204, "SCAN masscan user agent", "Detection of a Network Scan", 3), 80),
    (Signature(2900205, "DROP listed source", "Misc Attack", 2), 443),
)
HIDDEN_FILE = Signature(2900203, "WEB_SERVER request for hidden environment file", RECON, 2)
# Background, from inside.
FROM_INSIDE: tuple[Signature, ...] = (
    Signature(2900301, "POLICY file sharing client in user agent", POLICY, 3),
    Signature(2900302, "INFO look-up of a dynamic DNS domain", "Potentially Bad Traffic", 2),
)

# Malware: names as the two products give them.
CLAMAV_NAMES = ("Win.Trojan.Emotet-9951800-0", "Win.Test.EICAR_HDB-1", "Doc.Downloader.Qakbot-10002312-0")
FORTIGATE_NAMES = ("EICAR_TEST_FILE", "W32/Emotet.D2A7!tr", "JS/Agent.QBT!tr.dldr")
