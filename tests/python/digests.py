"""Recomputes every digest that a snapshot and the documents of its store give.

usage: digests.py STORE BACKUP
"""

import hashlib
import json
import pathlib
import sys
import urllib.parse

import blake3
import zstandard
from common import documents, end, offline


def name(data):
    return "blake3:" + blake3.blake3(data).hexdigest()


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(backup, digest):
    hex_digits = digest.removeprefix("blake3:")
    return (backup / "blobs/blake3" / hex_digits[:2] / hex_digits).read_bytes()


class Check:
    def __init__(self, store, backup):
        self.store, self.backup = store, backup
        self.defects, self.checked = [], 0

    def hold(self, where, stated, actual):
        self.checked += 1
        if stated != actual:
            self.defects.append(f"{where}: {stated} is stated, {actual} is there")

    def manifest(self, path):
        data = path.read_bytes()
        self.hold(path, "blake3:" + path.stem, name(data))
        manifest = json.loads(data)
        keys = set()
        for shard in manifest["shards"]:
            lines = zstandard.ZstdDecompressor().stream_reader(blob(self.backup, shard["digest"])).read()
            self.hold(f"shard {shard['prefix']}", shard["digest"], name(lines))
            entries = [json.loads(line) for line in lines.splitlines()]
            self.hold(f"objects of {shard['prefix']}", shard["objects"], len(entries))
            self.hold(f"bytes of {shard['prefix']}", shard["bytes"], sum(e["size"] for e in entries))
            for entry in entries:
                keys.add(entry["key"])
                self.entry(entry)
        there = {p.relative_to(self.store).as_posix() for p in self.store.rglob("*") if p.is_file()}
        self.hold("keys of the manifest", sorted(there - keys), sorted(keys - there))
        return len(keys)

    def entry(self, entry):
        pieces = json.loads(blob(self.backup, entry["pieces"])) if entry.get("pieces") else [entry]
        sealed = b"".join(blob(self.backup, piece["digest"]) for piece in pieces)
        for where, data in [("blob", sealed), ("store", (self.store / entry["key"]).read_bytes())]:
            where = f"{entry['key']} in the {where}"
            self.hold(where, entry["digest"], name(data))
            self.hold(where, entry["sha256"], sha256(data))
            self.hold(where, entry["size"], len(data))

    def item(self, path):
        for asset in json.loads(path.read_text())["assets"].values():
            data = (path.parent / urllib.parse.unquote(asset["href"])).resolve().read_bytes()
            stated, code = asset["file:checksum"], asset["file:checksum"][:4]
            if code not in ("1e20", "1220"):
                self.defects.append(f"{path}: {stated} is no multihash")
                continue
            digest = name(data) if code == "1e20" else sha256(data)
            self.hold(f"{path} {asset['title']}", stated, code + digest.split(":")[1])
            self.hold(f"{path} {asset['title']}", asset["file:size"], len(data))

    def listed(self, path):
        for entry in json.loads(path.read_text())["artifacts"]:
            data = (path.parent / entry["path"]).read_bytes()
            self.hold(f"{path} {entry['path']}", "blake3:" + entry["blake3"], name(data))
            self.hold(f"{path} {entry['path']}", "sha256:" + entry["sha256"], sha256(data))
            self.hold(f"{path} {entry['path']}", entry["size"], len(data))

    def receipt(self, path):
        receipt = json.loads(path.read_text())
        for named in receipt["inputs"] + receipt["outputs"]:
            data = (self.store / named["uri"].removeprefix("kfm://store/")).read_bytes()
            self.hold(f"{path} {named['uri']}", named["digest"], sha256(data))
        # RFC 8785 of what has no numbers but small integers.
        spec = json.dumps(receipt["spec"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self.hold(f"{path} spec", receipt["spec_hash"], sha256(spec.encode()))
        version = receipt["spec_hash"].removeprefix("sha256:")[:8]
        self.hold(f"{path} version", receipt["dataset_version_id"].split(".")[1], version)

    def ledger(self):
        records = {}
        for path in documents(self.store, "audit/ledger/records/**/*.json"):
            record = json.loads(path.read_text())
            stated = record.pop("event_hash")
            text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            self.hold(path, stated, sha256(text.encode()))
            records[stated] = record["prev_hash"]
        head = json.loads((self.store / "audit/ledger/heads/ledger_head.json").read_text())
        tip, length = head["event_hash"], 0
        while tip in records and length <= len(records):
            tip, length = records[tip], length + 1
        self.hold("records in the chain of the head", head["records"], length)
        self.hold("what the first record follows", "sha256:" + "0" * 64, tip)
        for path in documents(self.store, "audit/checkpoints/**/*.manifest.json"):
            lines = path.with_name(path.name.replace(".manifest.json", ".ndjson")).read_bytes()
            self.hold(path, json.loads(path.read_text())["digest"], sha256(lines))


def main(store, backup):
    offline()
    check = Check(store, backup)
    objects = sum(check.manifest(path) for path in documents(backup, "snapshots/*.json"))
    for path in documents(store, "catalog/*/*/stac/items/*.json"):
        check.item(path)
    for pattern in ["processed/*/*/checksums.json", "raw/*/*/manifest.json"]:
        for path in documents(store, pattern):
            check.listed(path)
    for path in documents(store, "catalog/*/*/receipts/run_receipt.json"):
        check.receipt(path)
    check.ledger()
    end(check.defects, objects=objects, checked=check.checked)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
