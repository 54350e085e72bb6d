//! MinIO, the S3 server that many people run themselves. It publishes sources only, so its image is
//! compiled on this machine.

use crate::container::{Container, ContainerError, Image};

/// The image, which `xtask` makes.
pub const IMAGE: Image = Image {
    server: "MinIO",
    name: "flow-sim/minio",
    tag: "2026-02-12",
    option: "minio",
    ready: "/minio/health/ready",
    keys: ["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"],
};

/// Starts a server and returns when it is ready, in one to three seconds. It has no bucket yet.
pub async fn start() -> Result<Container, ContainerError> {
    Container::start(IMAGE).await
}
