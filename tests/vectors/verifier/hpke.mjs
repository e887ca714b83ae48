// HPKE base mode, single shot (RFC 9180), with HKDF-SHA256 and AES-256-GCM, for two KEMs:
// DHKEM(X25519, HKDF-SHA256), id 0x0020, and ML-KEM-768 with X25519, id 0x647a (draft-ietf-hpke-pq; combiner of
// draft-connolly-cfrg-xwing-kem). X25519, HKDF's HMAC, SHA-3 and AES come from Node, ML-KEM from @noble/post-quantum.
import { createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

const bytes = (text) => Buffer.from(text, "latin1");
const two = (number) => Buffer.from([number >> 8, number & 255]);
const KDF = two(0x0001);
const AEAD = two(0x0002);
const KEMS = { "x25519": 0x0020, "mlkem768-x25519": 0x647a };
const XWING = Buffer.from("5c2e2f2f5e5c", "hex");
const ENC = { "x25519": 32, "mlkem768-x25519": 1088 + 32 };

const hmac = (key, ...parts) => parts.reduce((h, part) => h.update(part), createHmac("sha256", key)).digest();

function labeledExtract(suite, salt, label, ikm) {
  return hmac(salt.length ? salt : Buffer.alloc(32), bytes("HPKE-v1"), suite, bytes(label), ikm);
}

function labeledExpand(suite, key, label, info, length) {
  const whole = Buffer.concat([two(length), bytes("HPKE-v1"), suite, bytes(label), info]);
  let block = Buffer.alloc(0);
  let out = Buffer.alloc(0);
  for (let n = 1; out.length < length; n += 1) {
    block = hmac(key, block, whole, Buffer.from([n]));
    out = Buffer.concat([out, block]);
  }
  return out.subarray(0, length);
}

function x25519(secret, point) {
  const privateKey = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), secret]), format: "der", type: "pkcs8",
  });
  const publicKey = createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), point]), format: "der", type: "spki",
  });
  return diffieHellman({ privateKey, publicKey });
}

const BASE = Buffer.concat([Buffer.from([9]), Buffer.alloc(31)]); // RFC 7748: u = 9
export const x25519Public = (secret) => x25519(secret, BASE);

function decapClassic(enc, secret) {
  const suite = Buffer.concat([bytes("KEM"), two(KEMS["x25519"])]);
  const context = Buffer.concat([enc, x25519Public(secret)]);
  const prk = labeledExtract(suite, Buffer.alloc(0), "eae_prk", x25519(secret, enc));
  return labeledExpand(suite, prk, "shared_secret", context, 32);
}

function decapHybrid(enc, secret) {
  const lattice = ml_kem768.keygen(new Uint8Array(secret.subarray(0, 64)));
  const classic = secret.subarray(64);
  const [ctM, ctX] = [enc.subarray(0, 1088), enc.subarray(1088)];
  const ssM = ml_kem768.decapsulate(new Uint8Array(ctM), lattice.secretKey);
  const parts = [ssM, x25519(classic, ctX), ctX, x25519Public(classic), XWING];
  return parts.reduce((h, part) => h.update(part), createHash("sha3-256")).digest();
}

export function publicKey(name, secret) {
  if (name === "x25519") return x25519Public(secret);
  const lattice = ml_kem768.keygen(new Uint8Array(secret.subarray(0, 64)));
  return Buffer.concat([lattice.publicKey, x25519Public(secret.subarray(64))]);
}

/** Opens `enc || ciphertext || tag`; throws when it does not open. */
export function open(name, sealed, secret, info) {
  const enc = sealed.subarray(0, ENC[name]);
  const shared = name === "x25519" ? decapClassic(enc, secret) : decapHybrid(enc, secret);
  const suite = Buffer.concat([bytes("HPKE"), two(KEMS[name]), KDF, AEAD]);
  const none = Buffer.alloc(0);
  const context = Buffer.concat([
    Buffer.from([0]),
    labeledExtract(suite, none, "psk_id_hash", none),
    labeledExtract(suite, none, "info_hash", info),
  ]);
  const secretKey = labeledExtract(suite, shared, "secret", none);
  const key = labeledExpand(suite, secretKey, "key", context, 32);
  const nonce = labeledExpand(suite, secretKey, "base_nonce", context, 12);
  const cipher = createDecipheriv("aes-256-gcm", key, nonce);
  cipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([cipher.update(sealed.subarray(ENC[name], sealed.length - 16)), cipher.final()]);
}
