//! The S3 servers that run in containers, by the names that the simulator's `--s3` takes.

use crate::cargo::Workspace;
use crate::sh::{Failure, Result};
use crate::{ceph, docker, minio};

/// A server in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Minio,
    Ceph,
}

/// Every one of them: what the tests need.
pub(crate) const ALL: [Server; 2] = [Server::Minio, Server::Ceph];

impl Server {
    /// What `--s3` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Minio => "minio",
            Self::Ceph => "ceph",
        }
    }

    fn ensure_image(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Minio => minio::ensure_image(workspace),
            Self::Ceph => ceph::ensure_image(workspace),
        }
    }
}

/// The servers that the simulator is asked to start by these arguments: one, or none.
pub(crate) fn wanted(args: &[String]) -> Vec<Server> {
    let is_wanted = |server: &Server| {
        let name = server.name();
        args.iter().any(|arg| *arg == format!("--s3={name}"))
            || args.windows(2).any(|pair| pair == ["--s3", name])
    };
    ALL.into_iter().filter(is_wanted).collect()
}

/// Sees to it that an engine runs and has the images of `servers`. A failure names the way to do without.
pub(crate) fn ensure(workspace: &Workspace, servers: &[Server], otherwise: &str) -> Result<()> {
    if servers.is_empty() {
        return Ok(());
    }
    let ready = docker::ensure_engine(workspace).and_then(|()| {
        servers
            .iter()
            .try_for_each(|server| server.ensure_image(workspace))
    });
    ready.map_err(|failure| match failure {
        Failure::Said(message) => Failure::Said(format!("{message}\n{otherwise}")),
        child @ Failure::Child(_) => child,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_in(line: &str) -> Vec<Server> {
        wanted(
            &line
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn docker_is_set_up_for_the_server_that_is_asked_for_and_for_no_other() {
        assert_eq!(wanted_in("run flow.yaml --s3 minio"), [Server::Minio]);
        assert_eq!(wanted_in("run --s3=ceph flow.yaml"), [Server::Ceph]);
        assert_eq!(wanted_in("run --s3 embedded minio"), []);
        assert_eq!(wanted_in(""), []);
    }
}
