# Coppice itself, with what a recovery needs beside it: PostgreSQL with PostGIS for the private
# cluster of rehearsals and its client, git (a protected environment asks it whether the plan is
# committed), and CA certificates. Runs as an unprivileged user on a read-only root; it writes to
# /state and /tmp alone.
#
#   docker build --tag coppice .
#
# Where no registry can be reached: BASE is any Debian 12 (scripts/services.sh makes one), BUILDER
# too, with a finished program at prebuilt/coppice.
ARG BASE=debian:bookworm-slim
ARG BUILDER=rust:1.95-bookworm

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
RUN if [ -x prebuilt/coppice ]; then cp prebuilt/coppice /coppice; \
    else cargo build --locked --release --bin coppice && cp target/release/coppice /coppice; fi

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates git postgresql-15 postgresql-15-postgis-3 postgresql-client-15 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /state coppice \
 && install -d -o coppice -g coppice /state
COPY --from=build /coppice /usr/local/bin/coppice
ENV COPPICE_STATE=/state
VOLUME /state
# By number, so that a cluster can see that it is not root.
USER 10001:10001
WORKDIR /state
ENTRYPOINT ["coppice"]
