# Short names for the project's commands. Nothing needs just: each recipe is a line that you can type.

# List what is here
default:
    @just --list

# Play a catalog end to end; without arguments the wikipedia catalog (see `just sim --help`)
sim *args:
    cargo sim {{ args }}

# Run all tests, after setting up what they need; `--no-docker` leaves out what needs Docker
test *args:
    cargo conformance {{ args }}

# Measure the optimized connector against DuckDB: `just bench --docs wiki --scale 0.1` (see `just bench --help`)
bench *args:
    cargo xtask bench {{ args }}

# Time each stage of the connector alone: `just bench-stages tiny`
bench-stages *args:
    cargo bench --bench stages -- {{ args }}

# Crash the connector at every step under faults of the S3 server: `just torture --seeds 500`
torture *args:
    cargo sim torture {{ args }}

# Break the connector on purpose, several ways, and have torture catch each
sabotage *args:
    cargo xtask sabotage {{ args }}

# Accept the snapshots that the tests now produce, then show what changed (inline ones: `cargo insta review`)
snapshots *args:
    INSTA_UPDATE=always cargo conformance {{ args }}
    git diff --stat snapshots

# Take the answers that the connector now gives over into the recorded sessions, then show what changed
sessions:
    cargo sim replay tests/sessions/*.jsonl --update
    git diff --stat tests/sessions

# Format the sources
fmt *args:
    cargo fmt --all {{ args }}

# Run clippy as CI does
lint *args:
    cargo clippy --workspace --all-targets {{ args }} -- -D warnings

# Build the documentation as CI does; `just doc --open` shows it
doc *args:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps {{ args }}

# Fuzz what reads bytes from outside, each body for a minute: `just fuzz --seconds 600 rows`
fuzz *args:
    cargo xtask fuzz {{ args }}

# Build the connector's image, `materialize-s3-parquet:local`
image *args:
    cargo xtask image {{ args }}

# Everything CI runs
ci:
    .ci/run
