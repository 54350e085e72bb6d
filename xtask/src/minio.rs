//! MinIO, which publishes sources only.

use crate::golang::Server;

/// The module at the commit of the day that the tag names. (A test compares image and tag with
/// `simulator/src/minio.rs`.)
pub(crate) const SERVER: Server = Server {
    title: "MinIO",
    image: "flow-sim/minio",
    tag: "2026-02-12",
    module: "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
    package: ".",
    program: "minio",
    arguments: &["server", "/data", "--address", ":9000"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_one_the_simulator_starts() {
        let simulator = include_str!("../../simulator/src/minio.rs");
        for part in [SERVER.image, SERVER.tag] {
            assert!(
                simulator.contains(&format!("\"{part}\"")),
                "simulator/src/minio.rs does not name {part}"
            );
        }
    }
}
