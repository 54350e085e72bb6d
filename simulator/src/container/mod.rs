//! A real S3 server in a container of its own, started by testcontainers: what
//! [`minio`](crate::minio), [`ceph`](crate::ceph) and [`seaweedfs`](crate::seaweedfs) have in
//! common.
//!
//! Their images are made on this machine, once, by `cargo conformance` and by `cargo sim … --s3
//! minio` (or another of them), which also see to it that a Docker engine runs. Here they are only
//! started, and for tests killed, paused and cut off.

mod port;
mod reaper;

use std::process::Stdio;
use std::time::Duration;

use testcontainers::core::wait::HttpWaitStrategy;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt, TestcontainersError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use reaper::Reaper;

/// The access key ID of every server started here.
pub const ACCESS_KEY: &str = "flow-sim";

/// The secret access key of every server started here. It guards a server that lives for minutes on
/// this machine.
pub const SECRET_KEY: &str = "flow-sim-secret";

/// The port inside the container.
const PORT: u16 = 9000;

/// The engine's default network, by the name that every engine knows (older ones call it `default`
/// in their answers, and then do not find it).
const NETWORK: &str = "bridge";

/// How long a server may take until it is ready again.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long it may take to answer whether it is.
const ASK: Duration = Duration::from_secs(5);

/// How often it is asked.
const POLL: Duration = Duration::from_millis(100);

/// A server's image, and how it is told what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// The server's name, for people.
    pub server: &'static str,
    /// The image's name: local, in no registry.
    pub name: &'static str,
    /// The image's tag: the release in it.
    pub tag: &'static str,
    /// What `--s3` calls it.
    pub option: &'static str,
    /// The path that answers 200 to anybody once the server is ready.
    pub ready: &'static str,
    /// The environment variables that take the access key's id and its secret.
    pub keys: [&'static str; 2],
}

/// A server in a container could not be started, or not be treated as asked.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// It does not start.
    #[error(
        "cannot start {server} from the image {image}: {source}. `cargo conformance` and `cargo \
         sim … --s3 {option}` start a Docker engine and make the image where they are missing"
    )]
    Start {
        /// The server.
        server: &'static str,
        /// The image and its tag.
        image: String,
        /// What `--s3` calls it.
        option: &'static str,
        /// What the engine said.
        source: Box<TestcontainersError>,
    },
    /// The engine does not do what it was asked to.
    #[error("`docker {command}` failed: {message}")]
    Engine {
        /// The command.
        command: String,
        /// What the client said.
        message: String,
    },
    /// It runs, and does not answer.
    #[error("{server} is not ready again after {} s", PATIENCE.as_secs())]
    NotReady {
        /// The server.
        server: &'static str,
    },
}

/// A running server. Its container is removed by [`Container::stop`], when this is dropped (inside
/// a tokio runtime, please), and also when this process ends in any other way.
pub struct Container {
    image: Image,
    handle: ContainerAsync<GenericImage>,
    /// On this machine, as host and port.
    address: String,
    bridge_endpoint: String,
    // Last, so that it is dropped last: it removes what is still there.
    reaper: Reaper,
}

impl Container {
    /// Starts a server and returns when it is ready. It has no bucket yet.
    pub async fn start(image: Image) -> Result<Self, ContainerError> {
        let failed = |source| ContainerError::Start {
            server: image.server,
            image: format!("{}:{}", image.name, image.tag),
            option: image.option,
            source: Box::new(source),
        };
        start(image).await.map_err(failed)
    }

    /// The endpoint URL for programs on this machine. It stays the same when the server is killed
    /// and started again.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The endpoint URL for programs in other containers on the engine's default network.
    pub fn bridge_endpoint(&self) -> &str {
        &self.bridge_endpoint
    }

    /// The container's id, as `docker ps --no-trunc` shows it.
    pub fn id(&self) -> &str {
        self.handle.id()
    }

    /// Kills the server with SIGKILL. What it has stored stays.
    pub async fn kill(&self) -> Result<(), ContainerError> {
        self.engine(&["kill", "--signal", "KILL"]).await
    }

    /// Starts the server after a [`kill`](Self::kill), on what it has stored, and returns when it
    /// is ready.
    pub async fn start_again(&self) -> Result<(), ContainerError> {
        self.engine(&["start"]).await?;
        self.ready().await
    }

    /// Takes the server's network away while it runs. What becomes of connections is the engine's
    /// affair: where it hands them on by a process of its own they are closed and new ones
    /// refused, else nothing comes through.
    pub async fn disconnect(&self) -> Result<(), ContainerError> {
        self.engine(&["network", "disconnect", NETWORK]).await
    }

    /// Takes [`disconnect`](Self::disconnect) back, and returns when the server is ready.
    pub async fn connect(&self) -> Result<(), ContainerError> {
        self.engine(&["network", "connect", NETWORK]).await?;
        self.ready().await
    }

    async fn ready(&self) -> Result<(), ContainerError> {
        let ready = async {
            while !matches!(timeout(ASK, self.is_ready()).await, Ok(Ok(true))) {
                sleep(POLL).await;
            }
        };
        timeout(PATIENCE, ready)
            .await
            .map_err(|_| ContainerError::NotReady {
                server: self.image.server,
            })
    }

    /// Stops the server's processes where they are: connections are still accepted, and nothing is
    /// answered.
    pub async fn pause(&self) -> Result<(), ContainerError> {
        self.engine(&["pause"]).await
    }

    /// Takes [`pause`](Self::pause) back.
    pub async fn unpause(&self) -> Result<(), ContainerError> {
        self.engine(&["unpause"]).await
    }

    /// Gives the server no more than this share of a processor, from now on.
    pub async fn limit(&self, processors: f32) -> Result<(), ContainerError> {
        self.engine(&["update", "--cpus", &processors.to_string()])
            .await
    }

    /// Stops the server and removes its container with all that was stored.
    pub async fn stop(self) -> Result<(), ContainerError> {
        let removed = self.engine(&["rm", "--force", "--volumes"]).await;
        let Self { handle, reaper, .. } = self;
        drop((handle, reaper));
        removed
    }

    /// Runs the engine's client on this container.
    async fn engine(&self, command: &[&str]) -> Result<(), ContainerError> {
        let failed = |message: String| ContainerError::Engine {
            command: command.join(" "),
            message,
        };
        let output = Command::new("docker")
            .args(command)
            .arg(self.id())
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }

    /// Asks once whether the server is ready.
    async fn is_ready(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let (path, address) = (self.image.ready, &self.address);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(1024).read_to_string(&mut answer).await?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    }
}

async fn start(image: Image) -> Result<Container, TestcontainersError> {
    let port = port::choose().map_err(TestcontainersError::Io)?;
    let handle = request(image, port).start().await?;
    let reaper = Reaper::watch(handle.id()).map_err(TestcontainersError::Io)?;
    // The port is the one on IPv4, and `localhost` may mean IPv6 first.
    let host = handle
        .get_host()
        .await?
        .to_string()
        .replace("localhost", "127.0.0.1");
    let bridge = handle.get_bridge_ip_address().await?;
    Ok(Container {
        image,
        address: format!("{host}:{port}"),
        bridge_endpoint: format!("http://{bridge}:{PORT}"),
        handle,
        reaper,
    })
}

/// The container to start. Its port on this machine is given: one that the engine chooses changes
/// with every start.
fn request(image: Image, port: u16) -> ContainerRequest<GenericImage> {
    let ready = HttpWaitStrategy::new(image.ready)
        .with_port(PORT.tcp())
        .with_expected_status_code(200_u16);
    GenericImage::new(image.name, image.tag)
        .with_exposed_port(PORT.tcp())
        .with_wait_for(WaitFor::http(ready))
        .with_mapped_port(port, PORT.tcp())
        .with_env_var(image.keys[0], ACCESS_KEY)
        .with_env_var(image.keys[1], SECRET_KEY)
        .with_network(NETWORK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_image_and_the_commands_that_make_it() {
        let error = ContainerError::Start {
            server: "MinIO",
            image: "flow-sim/minio:1".to_owned(),
            option: "minio",
            source: Box::new(TestcontainersError::other("no such image")),
        };
        let text = error.to_string();
        for part in [
            "cannot start MinIO from the image flow-sim/minio:1: ",
            "no such image. `cargo conformance`",
            "`cargo sim … --s3 minio`",
        ] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}
