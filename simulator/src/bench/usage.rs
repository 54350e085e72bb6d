//! What a process has used so far, as Linux tells it: processor time and the most memory it ever
//! had.

use std::io;
use std::time::Duration;

/// The ticks of `/proc/PID/stat`: 100 in a second on every Linux that there is.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time, user and system, of all its threads; in steps of 10 ms.
    pub(super) cpu: Duration,
    /// The most memory it had at once, in bytes (`VmHWM`).
    pub(super) peak_bytes: u64,
}

impl Usage {
    /// That of a process that is running.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let strange = || io::Error::other(format!("/proc/{pid} is not as Linux has it"));
        Ok(Self {
            cpu: ticks(&stat).ok_or_else(strange)? * TICK,
            peak_bytes: peak(&status).ok_or_else(strange)?,
        })
    }
}

/// Fields 14 and 15 of `stat`, counted from 1. The second field is the program's name in
/// parentheses, which may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_no_harm() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 3 0 99";
        assert_eq!(ticks(stat), Some(175));
        assert_eq!(ticks("12 (a) S 1"), None);
    }

    #[test]
    fn our_own_peak_grows_with_what_we_touch() {
        let before = Usage::of(std::process::id()).unwrap();
        let touched = vec![1_u8; 64 << 20];
        let after = Usage::of(std::process::id()).unwrap();
        assert!(
            after.peak_bytes >= touched.len() as u64,
            "{before:?} {after:?}"
        );
    }
}
