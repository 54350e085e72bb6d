//! Ceph, whose gateway speaks S3: a whole cluster of one in a container. Its image is made of
//! Debian's packages on this machine.
//!
//! Its data lies in a file of the container (`BlueStore`) and not in memory, so that it survives a
//! kill.

use crate::container::{Container, ContainerError, Image};

/// The image, which `xtask` makes.
pub const IMAGE: Image = Image {
    server: "Ceph",
    name: "flow-sim/ceph",
    tag: "18.2.7",
    option: "ceph",
    ready: "/",
    keys: ["S3_ACCESS_KEY", "S3_SECRET_KEY"],
};

/// Starts a server and returns when it is ready, in about eight seconds. It has no bucket yet; a
/// bucket's name needs three characters.
pub async fn start() -> Result<Container, ContainerError> {
    Container::start(IMAGE).await
}
