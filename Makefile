# Everything a developer runs. `make` alone lists it.

.PHONY: help build check test schemas demo bench clean-sandbox install

help:
	@printf '%s\n' 'make build          the release binary' \
	  'make check          formatting, lints, documentation' \
	  'make test           every test, on real servers' \
	  'make schemas        writes the JSON schemas of config and plan, made from the types' \
  'make demo           plan, approve and apply on a believable shop' \
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

schemas:
	DRIFTWARDEN_WRITE_SCHEMAS=1 cargo test --lib the_schema_files_are_what_the_types_say

demo: install
	scripts/demo.sh

clean-sandbox:
	rm -rf "$${DRIFTWARDEN_CACHE:-.cache}"
