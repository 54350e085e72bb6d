//! A real S3 server for runs and tests: MinIO in a container of its own, started by testcontainers.
//!
//! MinIO publishes sources only, so its image is built on this machine, once, by `cargo conformance` and by
//! `cargo sim … --s3 minio`, which also see to it that a Docker engine runs. Here it is only started.

use std::process::{Child, Command, Stdio};

use testcontainers::core::wait::HttpWaitStrategy;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt, TestcontainersError,
};

/// The image's name: local, in no registry.
pub const IMAGE: &str = "flow-sim/minio";

/// The image's tag: the release of MinIO in it.
pub const TAG: &str = "2026-02-12";

/// The access key ID of every server started here.
pub const ACCESS_KEY: &str = "flow-sim";

/// The secret access key of every server started here. It guards a server that lives for minutes on this machine.
pub const SECRET_KEY: &str = "flow-sim-secret";

/// The port inside the container.
const PORT: u16 = 9000;

/// The engine's default network, by the name that every engine knows (older ones call it `default` in their answers,
/// and then do not find it).
const NETWORK: &str = "bridge";

/// MinIO could not be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start MinIO from the image {IMAGE}:{TAG}: {0}. \
     `cargo conformance` and `cargo sim … --s3 minio` start a Docker engine and build the image where they are missing"
)]
pub struct MinioError(#[from] TestcontainersError);

/// A running MinIO. The container is removed by [`Minio::stop`], when this is dropped (inside a tokio runtime, please),
/// and also when this process ends in any other way.
pub struct Minio {
    container: ContainerAsync<GenericImage>,
    endpoint: String,
    bridge_endpoint: String,
    // Last, so that it is dropped last: it removes what is still there.
    reaper: Reaper,
}

impl Minio {
    /// Starts a server and returns when it is ready, in one to three seconds. It has no bucket yet.
    pub async fn start() -> Result<Self, MinioError> {
        let container = request().start().await?;
        let reaper = Reaper::watch(container.id()).map_err(TestcontainersError::Io)?;
        // The port is the one on IPv4, and `localhost` may mean IPv6 first.
        let host = container
            .get_host()
            .await?
            .to_string()
            .replace("localhost", "127.0.0.1");
        let port = container.get_host_port_ipv4(PORT.tcp()).await?;
        let bridge = container.get_bridge_ip_address().await?;
        Ok(Self {
            endpoint: format!("http://{host}:{port}"),
            bridge_endpoint: format!("http://{bridge}:{PORT}"),
            container,
            reaper,
        })
    }

    /// The endpoint URL for programs on this machine.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The endpoint URL for programs in other containers on the engine's default network.
    pub fn bridge_endpoint(&self) -> &str {
        &self.bridge_endpoint
    }

    /// The container's id, as `docker ps --no-trunc` shows it.
    pub fn container_id(&self) -> &str {
        self.container.id()
    }

    /// Stops the server and removes its container with all that was stored.
    pub async fn stop(self) -> Result<(), MinioError> {
        let Self {
            container, reaper, ..
        } = self;
        container.rm().await?;
        drop(reaper);
        Ok(())
    }
}

/// The container to start.
fn request() -> ContainerRequest<GenericImage> {
    let ready = HttpWaitStrategy::new("/minio/health/ready")
        .with_port(PORT.tcp())
        .with_expected_status_code(200_u16);
    GenericImage::new(IMAGE, TAG)
        .with_exposed_port(PORT.tcp())
        .with_wait_for(WaitFor::http(ready))
        .with_env_var("MINIO_ROOT_USER", ACCESS_KEY)
        .with_env_var("MINIO_ROOT_PASSWORD", SECRET_KEY)
        .with_network(NETWORK)
}

/// A process that outlives this one by a moment and then removes the container: no destructor runs after a signal,
/// nor for what a test binary keeps in a `static`. It waits for the end of a pipe of which we hold the other end.
struct Reaper(Child);

impl Reaper {
    /// Watches over a container for as long as this value lives.
    fn watch(container: &str) -> std::io::Result<Self> {
        use std::os::unix::process::CommandExt;
        let child = Command::new("sh")
            .args([
                "-c",
                r#"cat; docker rm --force --volumes "$1""#,
                "sh",
                container,
            ])
            .process_group(0) // A Ctrl-C is for us; it has work to do afterwards.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Its own failure is that there was nothing left to remove.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_image_and_the_commands_that_make_it() {
        let message = MinioError(TestcontainersError::other("no such image")).to_string();
        assert!(message.contains("flow-sim/minio:2026-02-12: "), "{message}");
        assert!(
            message.contains("no such image. `cargo conformance`"),
            "{message}"
        );
    }

    #[test]
    fn the_reaper_ends_when_it_is_dropped() {
        let reaper = Reaper::watch("no-such-container").unwrap();
        let process = format!("/proc/{}", reaper.0.id());
        assert!(std::path::Path::new(&process).exists());
        drop(reaper);
        assert!(!std::path::Path::new(&process).exists());
    }
}
