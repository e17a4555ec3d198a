#!/usr/bin/env bash
# The whole recovery on real servers, started for it alone and taken down again whatever happens:
# seals the fixture into S3, rehearses the plan, restores it into `stage`, then re-indexes one
# projection after a migration.
#
# usage: rehearse-services.sh COPPICE
set -euo pipefail
cd "$(dirname "$0")/.."
coppice=$(realpath "${1:?the coppice program}")

root=.coppice/rehearse-services
state=$root/state
jobs=$root/migrated

say() { printf '\n== %s\n' "$*" >&2; }

# Runs the program as an environment, with the credentials of that one and those that read backups; as
# SCRATCH with the latter alone.
as() {
  local environment=$1 name value
  shift
  (
    while IFS='=' read -r name value; do
      case "$name" in
        COPPICE_"$environment"_* | COPPICE_SCRATCH_*) export "$name=$value" ;;
        AWS_*) export "$name=$value" ;;
      esac
    done <"$root/services.env"
    id=COPPICE_${environment}_S3_KEY_ID secret=COPPICE_${environment}_S3_SECRET
    export AWS_ACCESS_KEY_ID=${!id} AWS_SECRET_ACCESS_KEY=${!secret}
    COPPICE_STATE=$state "$coppice" "$@"
  )
}

trap 'scripts/services.sh clear "$root"' EXIT
trap 'exit 130' INT TERM
scripts/services.sh clear "$root"
scripts/services.sh up "$root"
plan=plans/kansas-services.yaml

say "seal a snapshot of the Kansas fixture into S3"
as DEV snapshot --from fixtures/kansas --to s3://kansas-backup/dev --plan "$plan" --env dev

say "rehearse its recovery, with no credentials of dev"
as SCRATCH rehearse "$plan" --env dev

say "restore it into stage"
as STAGE init "$plan" --env stage
as STAGE restore "$plan" --env stage --reason "the services are new"

say "re-index one projection after a migration"
mkdir -p "$jobs/plans" "$jobs/fixtures"
cp -r rebuild "$jobs/"
cp fixtures/withdrawals.ndjson "$jobs/fixtures/"
cp "$plan" "$jobs/plans/"
printf '\nORDER BY 1\n' >>"$jobs/rebuild/postgis/places.sql"
as STAGE rebuild "$jobs/$plan" --env stage --only postgis/places --reason "places are sorted"

say "all of it went well; the services are taken down"
