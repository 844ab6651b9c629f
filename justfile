# Short names for the chores of `cargo xtask`.

# What there is.
default:
    @just --list

# Fetch what the chores need: a compiler for wasm32, Envoy, the test issuer.
setup:
    cargo xtask setup

# target/countersign.wasm
build:
    cargo xtask build-filter

# All tests, real Envoy and the real issuer among them; arguments go to the test runner.
test *args:
    cargo xtask test {{args}}

# The fraud-scoring flow on the simulator; `just demo --envoy` on real Envoy.
demo *args:
    cargo xtask demo {{args}}

# Countersign beside Envoy's own filters.
bench *args:
    cargo xtask bench envoy {{args}}

# Policies beside Cedar's own implementations.
bench-cedar *args:
    cargo xtask bench cedar {{args}}

# Credentials that need a second party: once it has answered, and how many requests wait for it.
bench-live-credentials *args:
    cargo xtask bench live-credentials {{args}}

# Policies made up at random, held against the official crate.
differential *args:
    cargo xtask differential {{args}}

# Formatting, clippy, and the links between pages.
lint:
    cargo xtask lint

# The reference pages, written anew.
docs:
    cargo xtask docs

# What continuous integration runs.
ci:
    .ci/run
