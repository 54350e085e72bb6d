//! A Docker engine to run S3 servers and the product's image in: the one that answers, or one that
//! we install and start.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::cargo::Workspace;
use crate::debian;
use crate::sh::{self, Failure, Result};

/// The public image that our own is based on.
pub(crate) const BASE_IMAGE: &str = "debian:bookworm-slim";

/// The Debian release in [`BASE_IMAGE`].
const BASE_RELEASE: &str = "bookworm";

/// How often a starting engine is asked, and how many times: 30 s in all.
const POLL: Duration = Duration::from_millis(250);
const POLLS: u32 = 120;

/// One way to start the engine. The later ones do without what a sandbox may not have.
struct Attempt {
    /// What is different, for the person who reads along.
    what: &'static str,
    /// Arguments of `dockerd`.
    args: &'static [&'static str],
    /// Whether the engine is to find the legacy `iptables` where the nftables one stands.
    legacy_iptables: bool,
}

/// The ways to start the engine, the usual one first.
const ATTEMPTS: [Attempt; 4] = [
    Attempt {
        what: "as usual",
        args: &[],
        legacy_iptables: false,
    },
    Attempt {
        what: "with iptables-legacy",
        args: &[],
        legacy_iptables: true,
    },
    Attempt {
        what: "with the storage driver vfs",
        args: &["--storage-driver=vfs"],
        legacy_iptables: true,
    },
    Attempt {
        what: "without iptables (containers then reach nothing outside)",
        args: &[
            "--storage-driver=vfs",
            "--iptables=false",
            "--ip6tables=false",
        ],
        legacy_iptables: false,
    },
];

/// The id of the local engine's image of this name.
pub(crate) fn image_id(name: &str) -> Option<String> {
    sh::quiet(Command::new("docker").args(["image", "inspect", "--format={{.Id}}", name])).ok()
}

/// Whether the local engine has an image of this name.
pub(crate) fn has_image(name: &str) -> bool {
    image_id(name).is_some()
}

/// Whether a public image is here or can be pulled now.
pub(crate) fn can_have_image(name: &str) -> bool {
    has_image(name) || {
        sh::say(&format!("pulling the image {name}"));
        sh::succeeds(Command::new("docker").args(["pull", "--quiet", name]))
    }
}

/// Sees to it that an engine answers.
pub(crate) fn ensure_engine(workspace: &Workspace) -> Result<()> {
    let Err(silence) = ask() else { return Ok(()) };
    if sh::env("DOCKER_HOST").is_some() || !debian::may_install() {
        return Err(Failure::Said(format!(
            "no Docker engine answers: {silence}\nInstall Docker, start it, or point DOCKER_HOST \
             at one. (xtask does that only as root on Debian or Ubuntu, and where DOCKER_HOST is \
             not set)"
        )));
    }
    install()?;
    // Where services are managed, the package has started it.
    if answers() { Ok(()) } else { start(workspace) }
}

/// Sees to it that the image which ours is based on is here; where no registry has it, it is made
/// of Debian's packages.
pub(crate) fn ensure_base_image() -> Result<()> {
    if can_have_image(BASE_IMAGE) {
        return Ok(());
    }
    sh::say(&format!(
        "no registry gives {BASE_IMAGE}: making it of Debian's packages (mmdebstrap, about a \
         minute, once)"
    ));
    bootstrap(BASE_IMAGE, BASE_RELEASE, "ca-certificates")
}

/// Whether [`bootstrap`] has what it needs, or can get it.
pub(crate) fn can_bootstrap() -> bool {
    sh::find("mmdebstrap").is_some() || debian::may_install()
}

/// Makes an image of a Debian release and some of its packages, which are separated by commas.
pub(crate) fn bootstrap(image: &str, release: &str, packages: &str) -> Result<()> {
    if sh::find("mmdebstrap").is_none() {
        debian::install(&["mmdebstrap", "debian-archive-keyring"])?;
    }
    let mut bootstrap = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=apt"])
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .arg(format!("--include={packages}"))
        .args([release, "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::Said(format!("cannot run `mmdebstrap`: {error}")))?;
    let tar = bootstrap
        .stdout
        .take()
        .expect("stdout was asked to be a pipe just above");
    let imported = sh::succeeds_with(
        Command::new("docker").args(["import", "-", image]),
        tar.into(),
    );
    let made = bootstrap.wait().is_ok_and(|status| status.success());
    if imported && made {
        return Ok(());
    }
    // A half image would be taken for the real one from now on.
    sh::succeeds(Command::new("docker").args(["image", "rm", image]));
    Err(Failure::Said(format!(
        "cannot make {image}: `mmdebstrap … | docker import` failed (its messages stand above)"
    )))
}

/// Asks the engine for its version; a client on the search path says nothing about that. The error
/// is why there was no answer, in the client's words.
fn ask() -> std::result::Result<(), String> {
    let mut client = Command::new("docker");
    client
        .args(["version", "--format={{.Server.Version}}"])
        .stdin(Stdio::null());
    match client.output() {
        Err(error) => Err(error.to_string()),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(sh::tail(&String::from_utf8_lossy(&output.stderr))),
    }
}

/// Whether an engine answers.
fn answers() -> bool {
    ask().is_ok()
}

/// Installs what is missing of the engine.
fn install() -> Result<()> {
    let packages: Vec<&str> = [("dockerd", "docker.io"), ("iptables", "iptables")]
        .into_iter()
        .filter(|(program, _)| sh::find(program).is_none())
        .map(|(_, package)| package)
        .collect();
    if !packages.is_empty() {
        debian::install(&packages)?;
    }
    // Newer releases have the client in a package of its own.
    if sh::find("docker").is_none() {
        debian::install(&["docker-cli"])
    } else {
        Ok(())
    }
}

/// Starts the engine in the background, where it stays when we are gone; tries one way after the
/// other.
fn start(workspace: &Workspace) -> Result<()> {
    let dir = workspace.scratch("docker")?;
    let log = dir.join("dockerd.log");
    for attempt in &ATTEMPTS {
        sh::say(&format!(
            "starting a Docker engine in the background {}",
            attempt.what
        ));
        let mut engine = spawn(workspace, attempt, &dir, &log)?;
        if wait_until_ready(&mut engine) {
            return Ok(());
        }
    }
    Err(Failure::Said(format!(
        "the Docker engine does not start here; the end of {}:\n{}",
        log.display(),
        sh::tail(&fs::read_to_string(&log).unwrap_or_default())
    )))
}

/// Starts `dockerd` in a session of its own, so that no Ctrl-C and no closed terminal reaches it.
fn spawn(workspace: &Workspace, attempt: &Attempt, dir: &Path, log: &Path) -> Result<Child> {
    let output = fs::File::create(log).map_err(sh::file_error("write", log))?;
    let errors = output.try_clone().map_err(sh::file_error("write", log))?;
    let mut command = workspace.command("setsid");
    command
        .arg("dockerd")
        .args(attempt.args)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    if attempt.legacy_iptables {
        command.env("PATH", legacy_iptables_first(dir)?);
    }
    command
        .spawn()
        .map_err(|error| sh::not_started(&command, &error))
}

/// A search path on which `iptables` is the legacy one, without changing the machine's own choice.
fn legacy_iptables_first(dir: &Path) -> Result<std::ffi::OsString> {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).map_err(sh::file_error("create", &bin))?;
    for name in ["iptables", "ip6tables"] {
        let link = bin.join(name);
        if let Some(legacy) = sh::find(&format!("{name}-legacy")).filter(|_| !link.exists()) {
            std::os::unix::fs::symlink(legacy, &link).map_err(sh::file_error("create", &link))?;
        }
    }
    let path = sh::env("PATH").unwrap_or_default();
    let dirs = std::iter::once(bin).chain(std::env::split_paths(&path));
    std::env::join_paths(dirs)
        .map_err(|error| Failure::Said(format!("cannot extend PATH: {error}")))
}

/// Waits until the engine answers. An engine that gave up, or never answers, is not left behind.
fn wait_until_ready(engine: &mut Child) -> bool {
    for _ in 0..POLLS {
        if answers() {
            return true;
        }
        if engine.try_wait().is_ok_and(|status| status.is_some()) {
            return false;
        }
        thread::sleep(POLL);
    }
    // It may have ended in the meantime, and then there is nothing to stop.
    let _ = engine.kill();
    let _ = engine.wait();
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legacy_iptables_come_first_on_the_path_and_the_rest_follows() {
        let dir = std::env::temp_dir().join(format!("xtask-path-{}", std::process::id()));
        let path = legacy_iptables_first(&dir).unwrap();
        let dirs: Vec<_> = std::env::split_paths(&path).collect();
        assert_eq!(dirs[0], dir.join("bin"));
        assert!(dirs.len() > 1);
        fs::remove_dir_all(&dir).unwrap();
    }
}
