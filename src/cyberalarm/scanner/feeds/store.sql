-- The vulnerability store. Built whole, then only read; see store.py.
CREATE TABLE vulnerability (
  cve TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL, status TEXT NOT NULL, published TEXT NOT NULL,
  vector TEXT NOT NULL, fixed_in TEXT NOT NULL, advice TEXT NOT NULL, condition TEXT NOT NULL,
  PRIMARY KEY (cve, source)
) WITHOUT ROWID;

-- One row per CPE criterion; a configuration's and a node's operators are repeated on each of their rows.
CREATE TABLE criterion (
  cve TEXT NOT NULL, source TEXT NOT NULL,
  configuration INTEGER NOT NULL, configuration_all INTEGER NOT NULL, configuration_negate INTEGER NOT NULL,
  node INTEGER NOT NULL, node_all INTEGER NOT NULL, node_negate INTEGER NOT NULL,
  vulnerable INTEGER NOT NULL, part TEXT NOT NULL, vendor TEXT NOT NULL, product TEXT NOT NULL,
  version TEXT NOT NULL, updated TEXT NOT NULL, target_sw TEXT NOT NULL,
  low TEXT, low_open INTEGER NOT NULL, high TEXT, high_open INTEGER NOT NULL
);
CREATE INDEX criterion_product ON criterion (vendor, product);
CREATE INDEX criterion_cve ON criterion (cve, source);

CREATE TABLE distribution_fix (
  cve TEXT NOT NULL, source TEXT NOT NULL, distribution TEXT NOT NULL, release TEXT NOT NULL, fixed TEXT NOT NULL
);
CREATE INDEX distribution_fix_cve ON distribution_fix (cve, source);

CREATE TABLE exploited (cve TEXT PRIMARY KEY, added TEXT NOT NULL, due TEXT NOT NULL, ransomware INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE fingerprint (key TEXT NOT NULL, kind TEXT NOT NULL, preference REAL NOT NULL, pattern TEXT NOT NULL, parameters TEXT NOT NULL);

CREATE TABLE feed (
  name TEXT PRIMARY KEY, dated TEXT NOT NULL, imported TEXT NOT NULL, sha256 TEXT NOT NULL, rows INTEGER NOT NULL, note TEXT NOT NULL
) WITHOUT ROWID;
