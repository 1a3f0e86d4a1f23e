# Everything a developer runs. `make` alone lists it.

.PHONY: help build check test faults soak fuzz schemas picture assets deb static demo bench clean-sandbox install

help:
	@printf '%s\n' 'make build          the release binary' \
	  'make check          formatting, lints, documentation' \
	  'make test           every test, on real servers' \
	  'make faults         the fault suite with every packet struck, not only each kind of step' \
	  'make schemas        writes the JSON schemas of config and plan, made from the types' \
	  'make picture        the picture in the README, from a real run' \
	  'make deb            a Debian package, in target/debian/' \
	  'make static         a binary that needs no library, for any Linux of this processor' \
	  'make soak           random drift and faults for MINUTES (default 5)' \
	  'make fuzz           mutated inputs for every reader, SECONDS_EACH (default 60)' \
	  'make demo           plan, approve and apply on a believable shop; DEMO_VENDOR=mariadb on MariaDB' \
	  'make bench          against its peers; BENCH_SCALE=0.05 for a quick look (scripts/bench)' \
	  'make clean-sandbox  removes the cached servers'

install:
	@scripts/install.sh

build:
	cargo build --release

check:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps

test: install
	tests/sandbox/run.sh

# Every packet of a plan and an apply struck once; `make test` strikes each kind of step once.
faults: install
	DRIFTWARDEN_FAULTS=all tests/sandbox/run.sh -- cargo test --test integration faults::

schemas:
	DRIFTWARDEN_WRITE_SCHEMAS=1 cargo test --lib the_schema_files_are_what_the_types_say

demo: install
	scripts/demo.sh

picture: install
	scripts/picture.sh

# Man pages and completions, made by the binary itself, and the changelogs as Debian has them.
assets: build
	rm -rf target/assets
	target/release/driftwarden man --out target/assets/man
	target/release/driftwarden completions bash > target/assets/driftwarden.bash
	target/release/driftwarden completions zsh > target/assets/_driftwarden
	target/release/driftwarden completions fish > target/assets/driftwarden.fish
	@printf 'driftwarden (%s-1) unstable; urgency=medium\n\n  * CHANGELOG.md says what changed.\n\n -- %s  %s\n' \
	  "$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" "$$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)" \
	  "$$(date -R)" > target/assets/debian-changelog
	gzip -9n < CHANGELOG.md > target/assets/changelog.gz

deb: assets
	@command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
	cargo deb --no-build --output target/debian/

# zstd is C: musl-gcc builds it.
MUSL := $(shell uname -m)-unknown-linux-musl
static:
	@command -v musl-gcc >/dev/null || { echo 'make static needs musl-gcc: apt-get install musl-tools' >&2; exit 1; }
	rustup target add $(MUSL)
	cargo build --release --target $(MUSL)
	@file target/$(MUSL)/release/driftwarden 2>/dev/null || ls -l target/$(MUSL)/release/driftwarden

bench: install build
	python3 scripts/bench

clean-sandbox:
	rm -rf "$${DRIFTWARDEN_CACHE:-.cache}"

# Random drift and faults on servers of its own, for MINUTES (default 5).
soak: install
	scripts/soak.sh

# Mutated inputs for everything that reads what others wrote, for SECONDS_EACH (default 60).
fuzz:
	FUZZ_SECONDS="$${SECONDS_EACH:-60}" cargo test --test fuzz -- --nocapture --test-threads 2
