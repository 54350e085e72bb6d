//! The S3 servers that run in containers, by the names that the simulator's `--s3` takes.

use std::thread;

use crate::cargo::Workspace;
use crate::sh::{Failure, Result};
use crate::{ceph, docker, minio, seaweedfs};

/// A server in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Minio,
    Ceph,
    SeaweedFs,
}

/// Every one of them: what the tests need.
pub(crate) const ALL: [Server; 3] = [Server::Minio, Server::Ceph, Server::SeaweedFs];

impl Server {
    /// What `--s3` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Minio => "minio",
            Self::Ceph => "ceph",
            Self::SeaweedFs => "seaweedfs",
        }
    }

    fn ensure_image(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Minio => minio::SERVER.ensure_image(workspace),
            Self::Ceph => ceph::ensure_image(workspace),
            Self::SeaweedFs => seaweedfs::SERVER.ensure_image(workspace),
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

/// Sees to it that an engine runs and has the images of `servers`, and does `work` meanwhile:
/// neither needs the other, and on a fresh machine both take minutes. A failure of the servers
/// names the way to do without.
pub(crate) fn ensure_while(
    workspace: &Workspace,
    servers: &[Server],
    otherwise: &str,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if servers.is_empty() {
        return work();
    }
    let or_otherwise = |failure| match failure {
        Failure::Said(message) => Failure::Said(format!("{message}\n{otherwise}")),
        child @ Failure::Child(_) => child,
    };
    docker::ensure_engine(workspace).map_err(or_otherwise)?;
    let images = || {
        servers
            .iter()
            .try_for_each(|server| server.ensure_image(workspace))
    };
    let (images, worked) = side_by_side(images, work);
    worked.and(images.map_err(or_otherwise))
}

/// Does one thing on a thread of its own and the other here, and waits for both.
fn side_by_side<T: Send, U>(there: impl FnOnce() -> T + Send, here: impl FnOnce() -> U) -> (T, U) {
    thread::scope(|scope| {
        let there = scope.spawn(there);
        let here = here();
        match there.join() {
            Ok(there) => (there, here),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

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
        assert_eq!(
            wanted_in("run --s3 seaweedfs flow.yaml"),
            [Server::SeaweedFs]
        );
        assert_eq!(wanted_in("run --s3 embedded minio"), []);
        assert_eq!(wanted_in(""), []);
    }

    #[test]
    fn what_is_done_side_by_side_may_wait_for_one_another() {
        let (ask, asked) = mpsc::channel();
        let (answer, answered) = mpsc::channel();
        let there = move || {
            ask.send("ready?").unwrap();
            answered.recv().unwrap()
        };
        let here = move || {
            answer.send("yes").unwrap();
            asked.recv().unwrap()
        };
        assert_eq!(side_by_side(there, here), ("yes", "ready?"));
    }
}
