# The commands that one needs; `just` lists them.

# buf, where .ci/run has installed it.
export PATH := justfile_directory() / "target/npm/node_modules/.bin:" + env("PATH")

_list:
    @just --list --unsorted

# A year of records, and the summary made from them.
try *options:
    cargo run --release -- try {{ options }}

# Every service on SQLite in ./data.
serve *options:
    cargo run --release -- serve {{ options }}

# Every test, on SQLite and PostgreSQL; options go to `cargo test`.
test *options:
    ./test {{ options }}

# Format, clippy, and the contracts' style.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cd proto && buf lint && buf format --diff --exit-code

# Writes the generated parts of docs/, and the documentation of the crates.
docs:
    UPDATE_DOCS=1 cargo test -p taizhang --test suite docs::
    cargo doc --workspace --no-deps

# The program as it is handed out: target/dist/taizhang.
dist:
    cargo build --profile dist --locked

# The image taizhang:0.1.0.
image:
    docker build --tag taizhang:0.1.0 .

# The suite in containers.
containers:
    tests/compose/run

# Measures the suite on this machine; options go to the benchmark.
bench *options:
    cargo bench --profile dist -p taizhang-bench -- {{ options }}

# Everything that must hold before a change goes in.
ci:
    .ci/run
