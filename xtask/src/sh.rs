//! Running other programs: quietly, with an error that shows what they said; or loudly, when a
//! person wants to watch.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// How many of a failed program's last lines an error repeats.
const TAIL: usize = 20;

/// Why xtask ends without success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something xtask has to tell; it ends with status 1.
    Said(String),
    /// The program that xtask was asked to run ended with this status, and has said why itself.
    Child(u8),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Said(message)
    }
}

/// What everything here returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Says one line to the person who waits.
#[expect(clippy::print_stderr, reason = "the one place where xtask prints")]
pub(crate) fn say(line: &str) {
    eprintln!("xtask: {line}");
}

/// The value of an environment variable, `None` when it is absent or empty.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask's job is to look at the machine; this is the one place"
)]
pub(crate) fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Runs a program out of sight and returns its stdout; a failure shows the end of its output.
pub(crate) fn quiet(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_started(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Failure::Said(format!(
        "`{}` failed ({}):\n{}",
        describe(command),
        output.status,
        tail(&String::from_utf8_lossy(&said))
    )))
}

/// Runs a program whose output the person sees, all of it on stderr: stdout belongs to the program
/// that comes last.
pub(crate) fn loud(command: &mut Command) -> Result<()> {
    let status = command
        .stdout(io::stderr())
        .status()
        .map_err(|error| not_started(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Said(format!(
            "`{}` failed ({status})",
            describe(command)
        )))
    }
}

/// Whether a program can be run and succeeds; what it says is lost.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let silent = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// As [`succeeds`], fed with what another program writes, and with what it says on stderr left to
/// see.
pub(crate) fn succeeds_with(command: &mut Command, input: Stdio) -> bool {
    command
        .stdin(input)
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs the program xtask was asked for: its failure is xtask's own exit status.
pub(crate) fn child(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .map_err(|error| not_started(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Child(exit_code(status)))
    }
}

/// Where the search path has a program of this name.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// What to say when a program could not even be started.
pub(crate) fn not_started(command: &Command, error: &io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "it is not installed".to_owned(),
        _ => error.to_string(),
    };
    Failure::Said(format!("cannot run `{program}`: {reason}"))
}

/// What to say when a file or directory could not be handled.
pub(crate) fn file_error(doing: &str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Failure {
    let what = format!("cannot {doing} {}", path.display());
    move |error| Failure::Said(format!("{what}: {error}"))
}

/// The command as a person would type it, for messages only.
fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// The exit status as a shell would report it: a signal is 128 and its number.
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_command_and_the_end_of_what_it_said() {
        let failure =
            quiet(Command::new("sh").args(["-c", "seq 100; echo broken >&2; exit 3"])).unwrap_err();
        let Failure::Said(message) = failure else {
            panic!("expected a message")
        };
        assert!(
            message.starts_with(
                "`sh -c seq 100; echo broken >&2; exit 3` failed (exit status: 3):\n82\n"
            ),
            "{message}"
        );
        assert!(message.ends_with("\n100\nbroken"), "{message}");
    }

    #[test]
    fn a_program_that_is_not_there_is_called_not_installed() {
        let failure = quiet(&mut Command::new("no-such-program")).unwrap_err();
        assert_eq!(
            failure,
            Failure::Said("cannot run `no-such-program`: it is not installed".to_owned())
        );
    }

    #[test]
    fn the_childs_exit_status_is_handed_on_and_a_signal_as_a_shell_does() {
        assert_eq!(
            child(Command::new("sh").args(["-c", "exit 7"])),
            Err(Failure::Child(7))
        );
        assert_eq!(
            child(Command::new("sh").args(["-c", "kill -TERM $$"])),
            Err(Failure::Child(143))
        );
        assert_eq!(child(&mut Command::new("true")), Ok(()));
    }

    #[test]
    fn stdout_comes_back_trimmed() {
        assert_eq!(
            quiet(Command::new("echo").arg(" text ")),
            Ok("text".to_owned())
        );
    }
}
