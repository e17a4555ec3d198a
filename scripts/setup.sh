#!/usr/bin/env bash
# Installs what Coppice and its tests need on Debian 12: PostgreSQL with PostGIS, a C compiler for
# the crates that build C, cargo-nextest and cargo-deny, and a Python with independent readers of
# the formats that Coppice writes. Does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

packages=(build-essential ca-certificates pkg-config postgresql-15 postgresql-15-postgis-3 python3 python3-venv)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  say "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

for tool in cargo-nextest cargo-deny; do
  if ! command -v "$tool" >/dev/null && [ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/$tool" ]; then
    say "building $tool"
    cargo install --locked --quiet "$tool"
  fi
done

venv=target/venv
wanted=$(sha256sum tests/requirements.txt | cut -d' ' -f1)
if [ "$(cat "$venv/.wanted" 2>/dev/null || true)" != "$wanted" ]; then
  say "making $venv"
  /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/requirements.txt
  echo "$wanted" >"$venv/.wanted"
fi
