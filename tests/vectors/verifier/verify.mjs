// Checks every published vector, written from docs/envelope.md alone: node verify.mjs FOLDER
// Prints one JSON object; ends with 1 when anything differs from what a vector says.
import { createHash, createPublicKey, verify as check } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import * as hpke from "./hpke.mjs";

const SUITES = ["mlkem768-x25519", "x25519"];
const KEYS = ["collector", "events", "key", "lines", "previous", "sealed", "sequence", "suite", "version"];
const hex = (text) => Buffer.from(text, "hex");
const sha256 = (...parts) => parts.reduce((h, part) => h.update(part), createHash("sha256")).digest("hex");

class Refused extends Error {
  constructor(code) { super(code); this.code = code; }
}
const need = (condition, code) => { if (!condition) throw new Refused(code); };

function signed(publicKey, message, signature) {
  const key = createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), publicKey]), format: "der", type: "spki",
  });
  return check(null, message, key, signature);
}

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

function headerOf(raw) {
  let header;
  try { header = JSON.parse(raw.toString("latin1")); } catch { throw new Refused("envelope-malformed"); }
  need(header !== null && typeof header === "object" && !Array.isArray(header), "envelope-malformed");
  need(canonical(header) === raw.toString("latin1"), "envelope-malformed");
  need(Number.isInteger(header.version), "envelope-malformed");
  need(header.version === 1, "envelope-version");
  need(Object.keys(header).sort().join() === KEYS.join(), "envelope-malformed");
  need(SUITES.includes(header.suite), "envelope-suite");
  need(["events", "lines", "sealed", "sequence"].every((n) => Number.isInteger(header[n]) && header[n] >= 0), "envelope-malformed");
  need(/^[0-9a-f]{64}$/.test(header.previous) && /^[0-9a-f]{16}$/.test(header.key), "envelope-malformed");
  need(/^[a-z0-9-]{3,16}$/.test(header.collector) && header.sequence >= 1, "envelope-malformed");
  need((header.sequence === 1) === (header.previous === "0".repeat(64)), "envelope-malformed");
  return header;
}

function field(envelope, at, most) {
  need(at + 4 <= envelope.length, "envelope-malformed");
  const length = envelope.readUInt32BE(at);
  need(length <= most && at + 4 + length <= envelope.length, "envelope-malformed");
  return [envelope.subarray(at + 4, at + 4 + length), at + 4 + length];
}

function openEnvelope(envelope, vector) {
  need(envelope.subarray(0, 4).toString("latin1") === "CAE1", "envelope-malformed");
  const [rawHeader, afterHeader] = field(envelope, 4, 1024);
  const header = headerOf(rawHeader);
  const [ciphertext, end] = field(envelope, afterHeader, 2 ** 26);
  need(envelope.length - end === 64, "envelope-malformed");
  const message = Buffer.concat([Buffer.from("CyberAlarm envelope v1\0"), envelope.subarray(0, end)]);
  need(signed(hex(vector.collector.public), message, envelope.subarray(end)), "envelope-signature");
  need(header.key === vector.centre.key_id, "envelope-key-unknown");
  need(header.suite === vector.suite, "envelope-suite");
  const info = Buffer.concat([Buffer.from("CyberAlarm sealing v1\0"), rawHeader]);
  try {
    return { header, payload: hpke.open(header.suite, ciphertext, hex(vector.centre.analysis_private), info) };
  } catch { throw new Refused("envelope-unopenable"); }
}

function codeOf(action) {
  try { action(); } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
  return "";
}

function readDocument(kind, text, publicKey) {
  const { signature, ...content } = JSON.parse(text);
  need(canonical({ ...content, signature }) === text && content.kind === kind, "document-malformed");
  const message = Buffer.concat([Buffer.from(`CyberAlarm ${kind} v1\0`), Buffer.from(canonical(content))]);
  need(signed(hex(publicKey), message, Buffer.from(signature, "base64url")), "signature-refused");
  return content;
}

const differences = [];
let checked = 0;
function same(what, found, wanted) {
  checked += 1;
  if (canonical(found) !== canonical(wanted)) differences.push({ what, found, wanted });
}

function checkSuite(name, vector) {
  const secret = hex(vector.centre.analysis_private);
  const own = hpke.publicKey(vector.suite, secret);
  same(`${name} public key`, own.toString("hex"), vector.centre.analysis_public);
  same(`${name} key id`, sha256(Buffer.from(`CyberAlarm key v1\0${vector.suite}\0`), own).slice(0, 16), vector.centre.key_id);
  for (const one of vector.envelopes) {
    const envelope = hex(one.envelope);
    const { header, payload } = openEnvelope(envelope, vector);
    same(`${name} header`, header, one.header);
    same(`${name} payload`, payload.toString("hex"), vector.payload.bytes);
    same(`${name} digest`, sha256(envelope), one.digest);
    const [ledgers, at] = field(payload, 4, 2 ** 26);
    same(`${name} ledgers`, JSON.parse(ledgers.toString()), vector.payload.ledgers);
    same(`${name} events`, field(payload, at, 2 ** 26)[0].toString("hex"), vector.payload.arrow);
  }
  for (const one of vector.refused) {
    same(`${name} ${one.what}`, codeOf(() => openEnvelope(hex(one.envelope), vector)), one.code);
  }
}

function checkDocuments(name, vector) {
  for (const one of vector.documents) {
    same(`${name} ${one.kind}`, codeOf(() => readDocument(one.kind, one.text, vector.receipt_key)), one.code);
  }
  const request = vector.request;
  const message = canonical({
    body: sha256(Buffer.from(request.body)), collector: request.collector, method: request.method,
    path: request.path, time: request.time,
  });
  const prefix = Buffer.from("CyberAlarm request v1\0");
  const good = signed(hex(vector.collector_key), Buffer.concat([prefix, Buffer.from(message)]), Buffer.from(request.signature, "base64url"));
  same(`${name} request`, good, true);
  const [start, body, checksum] = vector.token.text.split(".");
  same(`${name} token checksum`, sha256(Buffer.from(`${start}.${body}`)).slice(0, 8), checksum);
  const token = JSON.parse(Buffer.from(body, "base64url").toString());
  same(`${name} token`, token, vector.token.content);
  const secret = Buffer.from(token.secret, "base64url");
  same(`${name} token hash`, sha256(Buffer.from("CyberAlarm token v1\0"), secret), vector.token.secret_hash);
}

function readPayload(payload) {
  const magic = payload.subarray(0, 4).toString("latin1");
  need(["CAP1", "CAP2"].includes(magic), "payload-malformed");
  const parts = [];
  let at = 4;
  try {
    for (let n = 0; n < (magic === "CAP1" ? 2 : 3); n += 1) {
      let part;
      [part, at] = field(payload, at, 2 ** 26);
      parts.push(part);
    }
    need(at === payload.length, "payload-malformed");
    const [ledgers, notes] = parts.slice(0, -1).map((raw) => {
      const value = JSON.parse(raw.toString());
      need(canonical(value) === raw.toString(), "payload-malformed");
      return value;
    });
    return { ledgers, alarms: notes ? notes.alarms : null, arrow: parts.at(-1).toString("hex"), release: notes?.release ?? null };
  } catch { throw new Refused("payload-malformed"); }
}

function checkPayloads(name, vector) {
  for (const { bytes: raw, ...wanted } of vector.payloads) same(`${name} payload`, readPayload(hex(raw)), wanted);
  for (const raw of vector.refused) same(`${name} refused`, codeOf(() => readPayload(hex(raw))), "payload-malformed");
}

const MANIFEST = ["format", "key", "made", "number", "packs", "program"];

function openRelease(raw, vector) {
  const bad = "release-malformed";
  need(raw.length <= 2 ** 24 && raw.subarray(0, 4).toString("latin1") === "CAR1", bad);
  let text, packed, end;
  try {
    [text, end] = field(raw, 4, 2 ** 19);
    [packed, end] = field(raw, end, 2 ** 24);
  } catch { throw new Refused(bad); }
  need(raw.length - end === 64, bad);
  let manifest;
  try { manifest = JSON.parse(text.toString("latin1")); } catch { throw new Refused(bad); }
  need(canonical(manifest) === text.toString("latin1"), bad);
  need(manifest.format === 1, "release-format");
  need(manifest.key === vector.key_id, "release-key-unknown");
  const message = Buffer.concat([Buffer.from("CyberAlarm pack release v1\0"), raw.subarray(0, end)]);
  need(signed(hex(vector.release_key), message, raw.subarray(end)), "release-signature");
  need(Object.keys(manifest).sort().join() === MANIFEST.join(), bad);
  const length = manifest.packs.reduce((sum, pack) => sum + pack.bytes, 0);
  let content;
  try { content = inflateSync(packed, { maxOutputLength: length }); } catch { throw new Refused(bad); }
  need(content.length === length, bad);
  let at = 0;
  return manifest.packs.map((pack) => {
    const one = content.subarray(at, at + pack.bytes);
    at += pack.bytes;
    need(sha256(one) === pack.sha256, bad);
    return one.toString("hex");
  });
}

function revokes(text, vector) {
  const raw = Buffer.from(text.slice("revoked:".length), "base64url");
  if (!text.startsWith("revoked:") || raw.length !== 96) return false;
  const key = hex(vector.release_key);
  const message = Buffer.concat([Buffer.from("CyberAlarm release key revocation v1\0"), key]);
  return raw.subarray(0, 32).equals(key) && signed(key, message, raw.subarray(32));
}

function checkRelease(name, vector) {
  same(`${name} key id`, sha256(Buffer.from("CyberAlarm key v1\0ed25519\0"), hex(vector.release_key)).slice(0, 16), vector.key_id);
  same(`${name} key text`, `ed25519:${hex(vector.release_key).toString("base64url")}`, vector.release_key_text);
  same(`${name} packs`, openRelease(hex(vector.release), vector), vector.packs);
  same(`${name} digest`, sha256(hex(vector.release)), vector.sha256);
  same(`${name} revocation`, revokes(vector.revocation, vector), true);
  for (const text of vector.revoking_nothing) same(`${name} ${text}`, revokes(text, vector), false);
  for (const one of vector.refused) {
    same(`${name} ${one.what}`, codeOf(() => openRelease(hex(one.release), vector)), one.code);
  }
}

function* sourcesOf(bits, count, width) {
  const low = count ? Math.max(0, width - count.toString(2).length) : 0;
  let source = -1n;
  for (let n = 0; n < count; n += 1) {
    const end = bits.text.indexOf("0", bits.at);
    need(end >= 0 && end + low < bits.text.length, "sources-malformed");
    const rest = bits.text.slice(end + 1, end + 1 + low);
    source += 1n + (BigInt(end - bits.at) << BigInt(low)) + BigInt(low ? `0b${rest}` : 0);
    need(source < 1n << BigInt(width), "sources-malformed");
    bits.at = end + 1 + low;
    yield String(source);
  }
}

function openSources(raw, vector) {
  const bad = "sources-malformed";
  need(raw.length <= 2 ** 21 && raw.subarray(0, 4).toString("latin1") === "CAS1", bad);
  let text, coded, end;
  try {
    [text, end] = field(raw, 4, 512);
    [coded, end] = field(raw, end, 2 ** 21);
  } catch { throw new Refused(bad); }
  need(raw.length - end === 64, bad);
  let manifest;
  try { manifest = JSON.parse(text.toString("latin1")); } catch { throw new Refused(bad); }
  need(canonical(manifest) === text.toString("latin1"), bad);
  need(manifest.form === 1, "sources-form");
  const message = Buffer.concat([Buffer.from("CyberAlarm source list v1\0"), raw.subarray(0, end)]);
  need(signed(hex(vector.sources_key), message, raw.subarray(end)), "sources-signature");
  need(Object.keys(manifest).sort().join() === "expires,form,issued,number,v4,v6", bad);
  need(manifest.issued < manifest.expires && manifest.v4 + manifest.v6 <= 200000, bad);
  const bits = { text: [...coded].map((byte) => byte.toString(2).padStart(8, "0")).join(""), at: 0 };
  const v4 = [...sourcesOf(bits, manifest.v4, 32)];
  const v6 = [...sourcesOf(bits, manifest.v6, 64)];
  need(bits.text.length - bits.at < 8 && !bits.text.slice(bits.at).includes("1"), bad);
  return { v4, v6 };
}

function checkSources(name, vector) {
  same(`${name} sources`, openSources(hex(vector.sources), vector), { v4: vector.v4, v6: vector.v6 });
  same(`${name} digest`, sha256(hex(vector.sources)), vector.sha256);
  for (const one of vector.refused) {
    same(`${name} ${one.what}`, codeOf(() => openSources(hex(one.sources), vector)), one.code);
  }
}

const folder = process.argv[2];
for (const file of readdirSync(folder).filter((f) => f.endsWith(".json")).sort()) {
  const vector = JSON.parse(readFileSync(join(folder, file), "utf8"));
  if (vector.suite) checkSuite(file, vector);
  else if (vector.payloads) checkPayloads(file, vector);
  else if (vector.release) checkRelease(file, vector);
  else if (vector.sources) checkSources(file, vector);
  else checkDocuments(file, vector);
}
console.log(JSON.stringify({ checked, differences }));
process.exit(differences.length || !checked ? 1 : 0);
