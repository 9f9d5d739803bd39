# shellcheck shell=bash
# Sourced: what every command that uses a lab begins with.

# Runs rollover-lab on an engine and images that are there, or are made first.
lab() {
    command -v cargo >/dev/null || {
        printf 'lab: cargo is missing: install Rust (https://rustup.rs) and run this again\n' >&2
        exit 2
    }
    ci/engine
    printf 'lab: compiling (a few minutes the first time)\n' >&2
    # The whole workspace, as the tests do: one set of compiled dependencies.
    cargo build --workspace --quiet
    fixtures/images/build
    ROLLOVER_LAB_IMAGES=ready exec target/debug/rollover-lab "$@"
}
