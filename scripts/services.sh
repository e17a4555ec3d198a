#!/usr/bin/env bash
# The servers that a team would have: PostgreSQL with PostGIS, S3 (SeaweedFS) and SPARQL (Oxigraph).
#
# usage: services.sh COMMAND [ROOT]
#   up      start them: by docker-compose where a Docker engine answers, else as plain processes
#   down    stop them; their data stay
#   clear   stop them and remove their data and credentials
#   status  say which are healthy
#   env     write ROOT/services.env alone
#   images  build the images, on a base of mmdebstrap where no registry can be reached
#   base    make the base image where there is none, and print its name
#   tag     print the tag of the images that the files in services/ make
#
# ROOT (.coppice/services) holds all of it. ROOT/services.env, readable by its owner only, has the
# ports (free ones, on loopback only) and the credentials, made at the first start.
# COPPICE_SERVICES=containers|processes chooses instead of looking for an engine.
set -euo pipefail
cd "$(dirname "$0")/.."

command=${1:?up, down, clear, status, env, images, base or tag}
mkdir -p "${2:-.coppice/services}"
root=$(cd "${2:-.coppice/services}" && pwd)
# The user that runs PostgreSQL must be able to enter; what is secret is closed by itself.
chmod 711 "$root"
env_file=$root/services.env
servers=(postgres s3 sparql)

say() { printf 'services: %s\n' "$*" >&2; }

tag() {
  find services -path services/wheels -prune -o -type f -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum | sha256sum | cut -c1-12
}

engine() { docker info >/dev/null 2>&1; }

has_images() {
  local server
  for server in "${servers[@]}"; do
    docker image inspect "coppice-$server:$(tag)" >/dev/null 2>&1 || return 1
  done
}

base() {
  local name=coppice-base:debian-12
  docker image inspect "$name" >/dev/null 2>&1 && echo "$name" && return
  if timeout 120 docker pull --quiet debian:bookworm-slim >/dev/null 2>&1; then
    docker tag debian:bookworm-slim "$name"
  else
    say "no registry answers: making a base image of Debian's packages"
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,curl bookworm - |
      docker import - "$name" >/dev/null
  fi
  echo "$name"
}

# Fetched here, by the client as it is set up on this machine.
wheels() {
  [ services/wheels/.wanted -nt services/requirements.txt ] && return
  rm -rf services/wheels
  target/services/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
    --dest services/wheels --requirement services/requirements.txt
  touch services/wheels/.wanted
}

images() {
  has_images && return
  mkdir -p target
  # One builder at a time, whatever the ROOT.
  exec {building}>target/images.lock
  flock "$building"
  has_images && return
  scripts/setup.sh services images
  local from server
  from=$(base)
  wheels
  chmod -R go+rX services
  for server in "${servers[@]}"; do
    say "building coppice-$server:$(tag)"
    docker build --quiet --build-arg "BASE=$from" --target "$server" \
      --tag "coppice-$server:$(tag)" services >/dev/null
  done
  exec {building}>&-
}

secret() { head -c 18 /dev/urandom | base64 | tr '+/' '-_'; }

# As many free ports, all held until the last is chosen.
free_ports() {
  /usr/bin/python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
}

# Where a SPARQL server takes what, as a plan refers to it.
sparql() {
  local what
  for what in query update store; do printf 'COPPICE_%s_SPARQL_%s=%s/%s\n' "$1" "${what^^}" "$2" "$what"; done
}

# Credentials live as long as the data; ports are chosen anew whenever the servers were down.
write_env() {
  umask 077
  local known=$root/credentials.env ports name
  touch "$known"
  for name in COPPICE_POSTGRES_PASSWORD COPPICE_{DEV,STAGE}_POSTGRES_PASSWORD \
    COPPICE_S3_KEY_ID COPPICE_S3_SECRET COPPICE_{DEV,STAGE,SCRATCH}_S3_{KEY_ID,SECRET}; do
    grep -q "^$name=" "$known" || printf '%s=%s\n' "$name" "$(secret)" >>"$known"
  done
  # shellcheck disable=SC1090
  . "$known"
  read -r -a ports <<<"$(free_ports 12)"
  local host=127.0.0.1 inner
  inner=$(IFS=,; echo "${ports[*]:5}")
  {
    cat "$known"
    cat <<ENV
COPPICE_SERVICES_TAG=$(tag)
POSTGRES_PORT=${ports[0]}
S3_PORT=${ports[1]}
DEV_SPARQL_PORT=${ports[2]}
STAGE_SPARQL_PORT=${ports[3]}
SCRATCH_SPARQL_PORT=${ports[4]}
S3_INNER_PORTS=$inner
COPPICE_POSTGRES_URL=postgres://postgres:$COPPICE_POSTGRES_PASSWORD@$host:${ports[0]}/postgres
COPPICE_DEV_POSTGIS_URL=postgres://kansas_dev:$COPPICE_DEV_POSTGRES_PASSWORD@$host:${ports[0]}/kansas_dev
COPPICE_STAGE_POSTGIS_URL=postgres://kansas_stage:$COPPICE_STAGE_POSTGRES_PASSWORD@$host:${ports[0]}/kansas_stage
$(sparql DEV "http://$host:${ports[2]}")
$(sparql STAGE "http://$host:${ports[3]}")
$(sparql SCRATCH "http://$host:${ports[4]}")
AWS_ENDPOINT_URL=http://$host:${ports[1]}
AWS_REGION=us-east-1
AWS_ALLOW_HTTP=true
ENV
  } >"$env_file.new"
  mv "$env_file.new" "$env_file"
  umask 022
}

compose() {
  local name
  name=coppice-$(printf %s "$root" | sha256sum | cut -c1-8)
  docker-compose --project-name "$name" --env-file "$env_file" "$@"
}

healthy_containers() {
  local id
  id=$(compose ps -q "$1" 2>/dev/null) && [ -n "$id" ] || return 1
  [ "$(docker inspect --format '{{.State.Health.Status}}' "$id")" = healthy ]
}

# Becomes a plain server, or what asks after it: its own folder, and what is in the env file.
become() {
  local server=$1 name value
  shift
  while IFS='=' read -r name value; do export "$name=$value"; done <"$env_file"
  export DATA=$root/data/$server BIND=127.0.0.1 PATH=$PWD/target/services/bin:$PATH
  mkdir -p "$DATA"
  exec "$@"
}

healthy_processes() { (become "$1" "services/$1/healthy"); }

pid_of() {
  local pid
  pid=$(cat "$root/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  # A number that another process has by now is none of ours. The environment tells, and not the
  # command line: a server may have replaced its script.
  { tr '\0' '\n' <"/proc/$pid/environ"; } 2>/dev/null | grep -xF "DATA=$root/data/$1" >/dev/null &&
    echo "$pid"
}

stop_process() {
  local server=$1 signal=$2 pid tries
  pid=$(pid_of "$server") || return 0
  kill -s TERM "$pid" 2>/dev/null || true
  for ((tries = 0; tries < 300; tries++)); do
    # What holds data that are to be removed need not put them in order.
    if [ "$signal" = KILL ] || [ "$tries" = 250 ]; then kill -s KILL -- "-$pid" 2>/dev/null || true; fi
    pid_of "$server" >/dev/null || break
    sleep 0.1
  done
  rm -f "$root/$server.pid"
}

# The processes that were started with data below ROOT: the servers and all that they started.
left() {
  local process
  for process in /proc/[0-9]*; do
    { tr '\0' '\n' <"$process/environ"; } 2>/dev/null | grep -F "DATA=$root/data/" >/dev/null || continue
    echo "${process#/proc/}"
  done
}

# Of a server that was killed its own processes need a moment to see it.
nothing_is_left() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    [ -n "$(left)" ] || return 0
    sleep 0.1
  done
  say "of the servers in $root these processes are left: $(left | tr '\n' ' ')"
  return 1
}

mode() { cat "$root/mode" 2>/dev/null || true; }

wait_until_healthy() {
  local server tries
  for server in "${servers[@]}"; do
    for ((tries = 0; tries < 300; tries++)); do
      "healthy_$1" "$server" >/dev/null 2>&1 && continue 2
      sleep 0.3
    done
    say "$server is not healthy after 90 seconds; see $root/$server.log or its container's log"
    return 1
  done
}

up_containers() {
  images
  compose up --detach >"$root/compose.log" 2>&1 || { cat "$root/compose.log" >&2; return 1; }
  wait_until_healthy containers
}

up_processes() {
  scripts/setup.sh services
  local server
  for server in "${servers[@]}"; do
    # Without the lock, which would be held as long as the server lives.
    (become "$server" setsid "services/$server/run") </dev/null >>"$root/$server.log" 2>&1 {lock}>&- &
    echo $! >"$root/$server.pid"
  done
  wait_until_healthy processes
}

chosen() {
  if [ -n "${COPPICE_SERVICES:-}" ]; then echo "$COPPICE_SERVICES"; return; fi
  if engine && command -v docker-compose >/dev/null; then echo containers; else echo processes; fi
}

up() {
  if [ -n "$(mode)" ] && is_up; then say "up already"; return; fi
  down TERM
  local how
  how=$(chosen)
  write_env
  echo "$how" >"$root/mode"
  say "starting ${servers[*]} as $how"
  "up_$how"
}

is_up() {
  local server
  for server in "${servers[@]}"; do
    "healthy_$(mode)" "$server" >/dev/null 2>&1 || return 1
  done
}

down() {
  local server
  case "$(mode)" in
    containers) compose down --timeout 20 >>"$root/compose.log" 2>&1 ;;
    processes)
      for server in "${servers[@]}"; do stop_process "$server" "$1" & done
      wait
      nothing_is_left
      ;;
  esac
  rm -f "$root/mode"
}

clear() {
  if [ "$(mode)" = containers ]; then compose down --timeout 1 --volumes >>"$root/compose.log" 2>&1; fi
  down KILL
  rm -rf "$root"
}

status() {
  local server how
  how=$(mode)
  [ -n "$how" ] || { say "down"; return 3; }
  for server in "${servers[@]}"; do
    if "healthy_${how}" "$server" >/dev/null 2>&1; then echo "$server: healthy"; else echo "$server: NOT healthy"; fi
  done
}

exec {lock}>"$root/lock"
flock "$lock"
case "$command" in
  up) up ;;
  down) down TERM ;;
  clear) clear ;;
  status) status ;;
  env) write_env ;;
  images) images ;;
  base)
    mkdir -p target
    exec {building}>target/images.lock
    flock "$building"
    scripts/setup.sh images
    base
    ;;
  tag) tag ;;
  *)
    say "unknown command $command"
    exit 2
    ;;
esac
