#!/usr/bin/env bash
# Installs what Coppice needs on Debian 12: PostgreSQL with PostGIS, and a C compiler for the
# crates that build C. With `test` also cargo-nextest and a Python with independent readers of the
# formats that Coppice writes; with `services` also an S3 and a SPARQL server, with `images` also
# what makes a base image, with `postgres` what lets programs of another release run here; with
# `lint` also cargo-deny; with `bench` also what it is measured against. Does nothing where all is
# there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

tool() {
  command -v "$1" >/dev/null || [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/$1" ] && return 0
  say "building $1"
  # Unoptimised: built in half the time, and quick enough for what it does.
  cargo install --locked --quiet --debug "$1"
}

# A virtual environment with what a file of requirements pins.
venv() {
  local venv=$1 requirements=$2 wanted
  wanted=$(sha256sum "$requirements" | cut -d' ' -f1)
  [ "$(cat "$venv/.wanted" 2>/dev/null || true)" != "$wanted" ] || return 0
  say "making $venv"
  /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
  echo "$wanted" >"$venv/.wanted"
}

packages build-essential ca-certificates pkg-config postgresql-15 postgresql-15-postgis-3
for what in "$@"; do
  case "$what" in
    test)
      packages b3sum jq openssl python3 python3-venv zstd
      tool cargo-nextest
      venv target/venv tests/requirements.txt
      ;;
    # The servers of scripts/services.sh, as plain programs.
    services)
      packages curl python3 python3-venv
      if docker info >/dev/null 2>&1 && ! command -v docker-compose >/dev/null; then
        packages docker-compose
      fi
      venv target/services services/requirements.txt
      ;;
    images) packages mmdebstrap ;;
    postgres) packages patchelf ;;
    lint) tool cargo-deny ;;
    # The peers that `make bench` measures against.
    bench) packages b3sum gdal-bin rclone restic ;;
    *)
      say "unknown part $what: test, services, images, lint or bench"
      exit 2
      ;;
  esac
done
