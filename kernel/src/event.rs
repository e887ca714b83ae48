//! The event's columns, as `core/schema.toml` defines them. Codes and lengths come from that table at start.

use crate::value::{Address, NO_ADDRESS, UNKNOWN_PROTOCOL};
use serde::{Deserialize, Serialize};

/// What a pack may fill in. The names are the schema's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Time,
    Action,
    Direction,
    SrcIp,
    DstIp,
    SrcPort,
    DstPort,
    Protocol,
    BytesIn,
    BytesOut,
    Packets,
    Evidence,
    SignatureId,
    Signature,
    Category,
    Severity,
    Cve,
    Threat,
    FileSha256,
    SenderDomain,
}

impl Target {
    /// An address, a port or a protocol.
    pub fn is_of_endpoint(self) -> bool {
        matches!(self, Self::SrcIp | Self::DstIp | Self::SrcPort | Self::DstPort | Self::Protocol)
    }

    /// A part of such a value is another value, not a shorter one.
    pub fn is_exact(self) -> bool {
        match self {
            Self::SrcIp | Self::DstIp | Self::SrcPort | Self::DstPort | Self::Protocol | Self::Time => true,
            Self::BytesIn | Self::BytesOut | Self::Packets | Self::SignatureId | Self::Cve | Self::SenderDomain => true,
            Self::Action | Self::Direction | Self::Evidence | Self::Category | Self::Severity => false,
            Self::Signature | Self::Threat | Self::FileSha256 => false,
        }
    }
}

/// Names of an enumeration's values; a value's code is its position.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Names(pub Vec<String>);

impl Names {
    pub fn code(&self, name: &str) -> Option<u8> {
        self.0.iter().position(|known| known == name).and_then(|at| u8::try_from(at).ok())
    }

    pub fn name(&self, code: u8) -> &str {
        self.0.get(usize::from(code)).map_or("unknown", String::as_str)
    }
}

/// The part of the schema that the kernel needs.
#[derive(Clone, Default, Deserialize, Serialize)]
pub struct Schema {
    pub sensor: Names,
    pub action: Names,
    pub direction: Names,
    pub evidence: Names,
    pub category: Names,
    pub max_signature_id: usize,
    pub max_signature: usize,
    pub max_threat: usize,
    pub max_sender_domain: usize,
    pub max_cves: usize,
}

pub const ALLOWED: &str = "allowed";
pub const INBOUND: u8 = 1;
pub const OUTBOUND: u8 = 2;
pub const INTERNAL: u8 = 3;

/// One event, before it joins its column. Used again and again, so that no line has to make its own texts.
pub struct Row {
    pub time: Option<i64>,
    pub sensor: u8,
    pub action: u8,
    pub direction: u8,
    pub src_ip: Address,
    pub dst_ip: Address,
    pub src_port: Option<u16>,
    pub dst_port: Option<u16>,
    pub protocol: u8,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
    pub packets: Option<u64>,
    pub evidence: u8,
    pub signature_id: String,
    pub signature: String,
    pub category: u8,
    pub severity: u8,
    pub cve: Vec<String>,
    pub threat: String,
    pub file_sha256: Option<[u8; 32]>,
    pub sender_domain: Option<String>,
    /// The end of what another line has told.
    pub again: bool,
}

impl Row {
    pub fn new() -> Self {
        Self {
            time: None,
            sensor: 0,
            action: 0,
            direction: 0,
            src_ip: NO_ADDRESS,
            dst_ip: NO_ADDRESS,
            src_port: None,
            dst_port: None,
            protocol: UNKNOWN_PROTOCOL,
            bytes_in: None,
            bytes_out: None,
            packets: None,
            evidence: 0,
            signature_id: String::new(),
            signature: String::new(),
            category: 0,
            severity: 0,
            cve: Vec::new(),
            threat: String::new(),
            file_sha256: None,
            sender_domain: None,
            again: false,
        }
    }

    /// An event of which nothing is known but what saw it.
    pub fn begin(&mut self, sensor: u8, again: bool) {
        self.time = None;
        self.sensor = sensor;
        self.action = 0;
        self.direction = 0;
        self.src_ip = NO_ADDRESS;
        self.dst_ip = NO_ADDRESS;
        self.src_port = None;
        self.dst_port = None;
        self.protocol = UNKNOWN_PROTOCOL;
        self.bytes_in = None;
        self.bytes_out = None;
        self.packets = None;
        self.evidence = 0;
        self.signature_id.clear();
        self.signature.clear();
        self.category = 0;
        self.severity = 0;
        self.cve.clear();
        self.threat.clear();
        self.file_sha256 = None;
        self.sender_domain = None;
        self.again = again;
    }
}
