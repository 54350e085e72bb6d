//! Removes a container when this process is gone, in whatever way.

use std::process::{Child, Command, Stdio};

/// A process that outlives this one by a moment and then removes the container: no destructor runs
/// after a signal, nor for what a test binary keeps in a `static`. It waits for the end of a pipe
/// of which we hold the other end.
pub(super) struct Reaper(Child);

impl Reaper {
    /// Watches over a container for as long as this value lives.
    pub(super) fn watch(container: &str) -> std::io::Result<Self> {
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
    fn the_reaper_ends_when_it_is_dropped() {
        let reaper = Reaper::watch("no-such-container").unwrap();
        let process = format!("/proc/{}", reaper.0.id());
        assert!(std::path::Path::new(&process).exists());
        drop(reaper);
        assert!(!std::path::Path::new(&process).exists());
    }
}
