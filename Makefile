# Everything a developer runs. `make` alone lists it.

.PHONY: help build check test demo bench clean-sandbox install

help:
	@printf '%s\n' 'make build          the release binary' \
	  'make check          formatting, lints, documentation' \
	  'make test           every test, on real servers' \
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

demo: install
	scripts/demo.sh

clean-sandbox:
	rm -rf "$${DRIFTWARDEN_CACHE:-.cache}"
