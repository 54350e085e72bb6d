//! The S3 server of a benchmark: the embedded one, in a process of its own.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::error::{Error, Result};
use crate::run::Location;
use crate::s3;

/// What is said in errors.
const PROCESS: &str = "the process of the S3 server";

/// The S3 server. Dropping it ends it.
pub(super) struct ServerProcess {
    pub(super) location: Location,
    pub(super) pid: u32,
    _child: Child,
    /// It ends with its input: with us, whatever becomes of us.
    _stdin: Option<ChildStdin>,
    _stdout: BufReader<ChildStdout>,
}

impl ServerProcess {
    /// Starts `flow-sim s3`, which keeps of bodies only their sizes where it discards.
    pub(super) async fn start(program: &Path, discard: bool) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["s3", "--port", "0", "--until-eof"]);
        if discard {
            command.arg("--discard");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::process(PROCESS))?;
        let missing = || Error::process(PROCESS)(std::io::Error::other("it did not start"));
        let pid = child.id().ok_or_else(missing)?;
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut line = String::new();
        stdout
            .read_line(&mut line)
            .await
            .map_err(Error::process(PROCESS))?;
        let endpoint = endpoint(&line).ok_or_else(missing)?.to_owned();
        let options = s3::Options::default();
        Ok(Self {
            location: Location {
                endpoint,
                region: options.region.unwrap_or_default(),
                access_key_id: options.access_key_id,
                secret_access_key: options.secret_access_key,
                session_token: None,
            },
            pid,
            _child: child,
            _stdin: stdin,
            _stdout: stdout,
        })
    }
}

/// The URL in the first line that `flow-sim s3` prints.
fn endpoint(line: &str) -> Option<&str> {
    let start = line.find("http://")?;
    line[start..].split([',', ' ', '\n']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_read_from_the_greeting() {
        assert_eq!(
            endpoint("S3 at http://127.0.0.1:40123, until interrupted; everything is in memory\n"),
            Some("http://127.0.0.1:40123")
        );
        assert_eq!(endpoint(""), None);
    }
}
