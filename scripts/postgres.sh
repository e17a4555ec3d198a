#!/usr/bin/env bash
# PostgreSQL with PostGIS of other Debian releases, beside the one that is installed: 13 of bullseye,
# 17 of trixie, 18 of sid. Nothing is installed: the packages are unpacked below target/postgres and
# find their own libraries. Prints the folder of the programs.
#
#   scripts/postgres.sh 17
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1
case "$version" in
  13) suite=bullseye ;;
  17) suite=trixie ;;
  18) suite=sid ;;
  *) echo "postgres: $version is in no Debian release that is tried here: 13, 17 or 18" >&2; exit 2 ;;
esac
root=$PWD/target/postgres/$version
bin=$root/usr/lib/postgresql/$version/bin
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

unpack() {
  scripts/setup.sh images postgres >&2
  echo "postgres: unpacking $version of $suite" >&2
  rm -rf "$root"
  mkdir -p "${root%/*}"
  # A mirror may carry an index of sid that is some days old.
  mmdebstrap --quiet --aptopt='Acquire::Check-Valid-Until "false"' --variant=extract \
    --include="postgresql-$version,postgresql-$version-postgis-3" "$suite" "$root" "$mirror" >&2
}

# Lets the programs find the loader and libraries that they were built for.
relocate() {
  local libraries=$root/usr/lib/x86_64-linux-gnu loader program
  # The file itself: its usual name is an absolute link in some releases, which would lead out of here.
  loader=$(find "$root" \( -name 'ld-linux-x86-64.so.2' -o -name 'ld-2.*.so' \) \
    -path '*x86_64-linux-gnu*' -type f | head -1)
  for program in "$bin"/*; do
    patchelf --print-interpreter "$program" >/dev/null 2>&1 || continue
    patchelf --set-interpreter "$loader" --force-rpath \
      --set-rpath "$libraries:$root/lib/x86_64-linux-gnu:$libraries/blas:$libraries/lapack" "$program"
  done
  # What the package makes when it is configured.
  ln -sf postgis-3.control "$root/usr/share/postgresql/$version/extension/postgis.control"
  # The user that runs a server must be able to enter.
  chmod 755 "$root"
}

if ! "$bin/postgres" --version >/dev/null 2>&1; then
  unpack
  relocate
fi
"$bin/postgres" --version >&2
echo "$bin"
