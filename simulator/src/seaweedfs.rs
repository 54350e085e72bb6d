//! SeaweedFS, an S3 server that keeps small files in large volumes. Its image is compiled on this
//! machine.

use crate::container::{Container, ContainerError, Image};

/// The image, which `xtask` makes.
pub const IMAGE: Image = Image {
    server: "SeaweedFS",
    name: "flow-sim/seaweedfs",
    tag: "2026-11-09",
    option: "seaweedfs",
    ready: "/readyz",
    keys: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
};

/// Starts a server and returns when it is ready, in about five seconds. It has no bucket yet.
pub async fn start() -> Result<Container, ContainerError> {
    Container::start(IMAGE).await
}
