# The connector's image. `cargo xtask image` builds it, with or without a registry that has the Rust image.
#
# Two ways lead to the same image. `docker build .` compiles inside. `docker build --target host DIR` takes the program
# `materialize-s3-parquet` and the licences from DIR; that stage stands above the Rust image, because the classic
# builder runs every stage up to the one it is asked for.

FROM debian:bookworm-slim AS base
# TLS needs root certificates, which this base does not have unless it was made with them.
RUN test -s /etc/ssl/certs/ca-certificates.crt \
    || (apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*)
# What Flow reads: which protocol the connector speaks, and that it speaks protobuf (what it does by default).
LABEL FLOW_RUNTIME_PROTOCOL=materialize \
      FLOW_RUNTIME_CODEC=proto
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="materialize-s3-parquet" \
      org.opencontainers.image.description="An Estuary Flow connector that materializes delta updates into Apache Parquet files in an S3 bucket" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
# jemalloc: few threads allocate at once, so one arena wastes least; in huge pages, where the host has them, it is a tenth faster.
ENV _RJEM_MALLOC_CONF=narenas:1,thp:always
# Nobody: the connector reads stdin, writes stdout and stderr, talks to S3, and needs no file of its own.
USER 65532:65532
ENTRYPOINT ["/connector/materialize-s3-parquet"]

FROM base AS host
# A pattern, so that this stage passes where nothing was built outside and the one below is to do it.
COPY LICENSE-* materialize-s3-parque[t] /connector/

FROM rust:1.95.0-bookworm AS build
# The image's own toolchain is the pinned one; without this, rustup would fetch the components that only developers need.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package materialize-s3-parquet

FROM base
COPY LICENSE-* /connector/
COPY --from=build /source/target/release/materialize-s3-parquet /connector/materialize-s3-parquet
