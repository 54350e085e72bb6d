//! Starting a connector: the command, its environment, and the ends of the process it becomes.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;

use materialize_s3_parquet::protocol::Codec;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::{Error, Result};
use super::log::Level;

/// The environment variable that gives a connector its seed, a decimal `u64`: each incarnation of a
/// run gets its own, so that the run repeats to the letter. A connector that does not know it draws
/// its own randomness.
pub const SEED_VARIABLE: &str = "FLOW_SIM_SEED";

/// The environment variable that names the codec.
const CODEC_VARIABLE: &str = "FLOW_RUNTIME_CODEC";

/// Starts connectors. The number of an incarnation counts the processes of a run from 0.
pub trait Launch: Send + Sync {
    /// Starts one.
    fn launch(&self, incarnation: u64) -> Result<Process>;

    /// The codec that the connectors are told to speak.
    fn codec(&self) -> Codec;
}

/// The ends of a running connector.
pub struct Process {
    /// Where requests go.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Where responses come from.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Where logs come from.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// How it ended, once it has.
    pub exit: JoinHandle<io::Result<Exit>>,
    /// Ends it at once, when used or dropped.
    pub kill: oneshot::Sender<()>,
    /// The id by which the system knows it, where it is a process of its own.
    pub pid: Option<u32>,
}

/// How a connector ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Whether its status was 0.
    pub is_success: bool,
    /// Its status in words, such as `exit status: 1`.
    pub status: String,
}

/// A connector as a command of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCommand {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables besides those that the simulator has itself.
    pub env: BTreeMap<String, String>,
    /// The codec, told by `FLOW_RUNTIME_CODEC`.
    pub codec: Codec,
    /// The least important level that is logged, told by `LOG_LEVEL`.
    pub log_level: Level,
    /// The run's seed, from which every incarnation gets its own.
    pub seed: u64,
}

impl Launch for LocalCommand {
    fn launch(&self, incarnation: u64) -> Result<Process> {
        let mut child = self
            .command(incarnation)?
            .spawn()
            .map_err(|source| self.not_started(source))?;
        let (kill, killed) = oneshot::channel();
        let pid = child.id();
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(self.not_started(io::Error::other("its pipes are missing")));
        };
        Ok(Process {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            exit: tokio::spawn(wait(child, killed)),
            kill,
            pid,
        })
    }

    fn codec(&self) -> Codec {
        self.codec
    }
}

impl LocalCommand {
    fn command(&self, incarnation: u64) -> Result<Command> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(self.not_started(io::Error::other("the command is empty")));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(&self.env)
            .env(CODEC_VARIABLE, self.codec.name())
            .env("LOG_FORMAT", "json")
            .env("LOG_LEVEL", self.log_level.name())
            .env(
                SEED_VARIABLE,
                incarnation_seed(self.seed, incarnation).to_string(),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    fn not_started(&self, source: io::Error) -> Error {
        Error::Spawn {
            command: self.command.join(" "),
            source,
        }
    }
}

async fn wait(mut child: Child, killed: oneshot::Receiver<()>) -> io::Result<Exit> {
    let status = tokio::select! {
        status = child.wait() => status?,
        // Dropped without a word counts as well: nobody is left who could use the process.
        _ = killed => {
            child.kill().await?;
            child.wait().await?
        }
    };
    Ok(Exit {
        is_success: status.success(),
        status: status.to_string(),
    })
}

/// The seed of one incarnation: `SplitMix64` over the run's seed and its number.
pub fn incarnation_seed(seed: u64, incarnation: u64) -> u64 {
    let mut mixed = seed.wrapping_add(
        incarnation
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15),
    );
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_of_a_run_have_seeds_of_their_own_and_always_the_same() {
        let seeds: Vec<u64> = (0..4)
            .map(|incarnation| incarnation_seed(0, incarnation))
            .collect();
        // The first outputs of SplitMix64 from 0.
        assert_eq!(
            seeds[..3],
            [
                0xe220_a839_7b1d_cdaf,
                0x6e78_9e6a_a1b9_65f4,
                0x06c4_5d18_8009_454f
            ]
        );
        assert_ne!(incarnation_seed(1, 0), seeds[0]);
    }
}
