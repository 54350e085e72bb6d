//! SeaweedFS: its master, its volume server, its filer and its S3 gateway in one process.

use crate::golang::Server;

/// The module at the commit of the day that the tag names. (A test compares image and tag with
/// `simulator/src/seaweedfs.rs`.)
///
/// Only the gateway listens to the outside, and nothing is reported there. Each bucket takes
/// volumes of its own, so there may be many, and small ones. A bucket that is not there is an
/// error, as on other servers.
pub(crate) const SERVER: Server = Server {
    title: "SeaweedFS",
    image: "flow-sim/seaweedfs",
    tag: "2026-11-09",
    module: "github.com/seaweedfs/seaweedfs@v0.0.0-20261109003541-7506e5f91cd6",
    package: "./weed",
    program: "weed",
    arguments: &[
        "-logtostderr=true",
        "server",
        "-dir=/data",
        "-ip=127.0.0.1",
        "-master.peers=none",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=2000",
        "-s3",
        "-s3.ip.bind=0.0.0.0",
        "-s3.port=9000",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_one_the_simulator_starts() {
        let simulator = include_str!("../../simulator/src/seaweedfs.rs");
        for part in [SERVER.image, SERVER.tag] {
            assert!(
                simulator.contains(&format!("\"{part}\"")),
                "simulator/src/seaweedfs.rs does not name {part}"
            );
        }
    }
}
