# `make rehearse` and `make test` do all set-up; everything else is a part of them.
PROFILE_DIR := $(or $(CARGO_TARGET_DIR),target)/debug
COPPICE := $(PROFILE_DIR)/coppice

.PHONY: help setup build lint test test-postgres rehearse rehearse-services up down images fixture picture bench clean

help:
	@echo "make rehearse   set up, build, seal the Kansas fixture, rehearse its recovery"
	@echo "make rehearse-services   the same on servers that are started for it: S3, PostGIS, SPARQL"
	@echo "make up, make down       start and stop these servers for work by hand"
	@echo "make images     build the servers' images"
	@echo "make test       set up and run every test"
	@echo "make test-postgres       its tests on PostgreSQL 13, 17 and 18, of other Debian releases"
	@echo "make lint       formatting, clippy, licences"
	@echo "make fixture    make fixtures/kansas anew from its sources"
	@echo "make picture    record docs/rehearse.svg from a real rehearsal"
	@echo "make bench      measure against rclone, restic, psql and ogr2ogr (release build)"
	@echo "make clean      remove what rehearsals left in .coppice"

setup:
	@scripts/setup.sh

build: setup
	cargo build --locked

lint:
	@scripts/setup.sh lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo deny check bans licenses sources

test:
	@scripts/setup.sh test services
	@if docker info >/dev/null 2>&1; then scripts/services.sh images; else \
		echo "no Docker engine answers: servers are plain processes, and no image is built or tested"; fi
	cargo nextest run --locked --no-fail-fast \
		$$(docker info >/dev/null 2>&1 || echo "-E not(test(image::)|test(containers::))")

# Each with its own PostGIS; about ten minutes. What the installed version rehearsed is not taken over
# into another, so that test is left out.
test-postgres:
	@scripts/setup.sh test services
	for version in 13 17 18; do \
		bin=$$(scripts/postgres.sh $$version) || exit 1; \
		COPPICE_TEST_POSTGRES=$$bin cargo nextest run --locked --no-fail-fast \
			-E '(test(postgis_server::) + test(postgis_tls::) + test(shared_journal::)) - test(is_promoted_into)' || exit 1; \
	done

rehearse: build
	$(COPPICE) snapshot --from fixtures/kansas --to .coppice/dev/backup --plan plans/kansas.yaml --env dev
	$(COPPICE) rehearse plans/kansas.yaml --env dev

rehearse-services: build
	@scripts/rehearse-services.sh $(COPPICE)

up:
	@scripts/services.sh up
	@echo "set -a; source .coppice/services/services.env; set +a   # names them for coppice"
	@echo "scripts/services.sh status                              # looks at them"

down:
	@scripts/services.sh down

images:
	@scripts/services.sh images

fixture:
	rm -rf fixtures/kansas
	cargo run --locked --example kansas -- --out fixtures/kansas --terms fixtures/restricted-terms.txt

picture: build
	@scripts/setup.sh test services
	$(COPPICE) snapshot --from fixtures/kansas --to .coppice/dev/backup --plan plans/kansas.yaml --env dev
	PATH="$(abspath $(PROFILE_DIR)):$$PATH" target/venv/bin/python scripts/record.py docs/rehearse.svg 80 48 \
		coppice rehearse plans/kansas.yaml --env dev

bench:
	@scripts/setup.sh bench
	cargo build --locked --release --example kansas
	cargo bench --locked --bench peers

clean:
	@scripts/services.sh clear
	rm -rf .coppice
