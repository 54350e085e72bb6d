//! The image of Ceph that the tests run against: Debian's packages, and a script that makes a
//! cluster of one.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cargo::Workspace;
use crate::docker;
use crate::sh::{self, Result};

/// The image, by the name and tag that `simulator/src/ceph.rs` asks for (a test compares them).
const NAME: &str = "flow-sim/ceph";
const TAG: &str = "18.2.7";

/// The Debian release that has this version of Ceph, and what is taken of it.
const RELEASE: &str = "trixie";
const PACKAGES: [&str; 4] = ["ca-certificates", "radosgw", "ceph-mon", "ceph-osd"];

/// The public image of that release, for machines that are no Debian themselves.
const PUBLIC_IMAGE: &str = "debian:trixie-slim";

/// The image of the packages alone, which takes the time.
const BASE: &str = "flow-sim/ceph-packages";

/// What the container runs.
const START: &str = include_str!("../ceph-start.sh");

/// Sees to it that the engine has the image, with the script as it stands here.
pub(crate) fn ensure_image(workspace: &Workspace) -> Result<()> {
    let base = format!("{BASE}:{TAG}");
    ensure_base(workspace, &base)?;
    let context = workspace.scratch("ceph")?;
    write(&context.join("start.sh"), START)?;
    // A second if nothing has changed.
    build(&format!("{NAME}:{TAG}"), &context, &dockerfile(&base))
}

/// Sees to it that the engine has the image of the packages.
fn ensure_base(workspace: &Workspace, base: &str) -> Result<()> {
    if docker::has_image(base) {
        return Ok(());
    }
    if docker::can_bootstrap() {
        sh::say(&format!(
            "making the image {base} of Debian's packages (mmdebstrap, about a minute, once)"
        ));
        return docker::bootstrap(base, RELEASE, &PACKAGES.join(","));
    }
    sh::say(&format!(
        "making the image {base} of Debian's packages in {PUBLIC_IMAGE} (about a minute, once)"
    ));
    build(base, &workspace.scratch("ceph")?, &from_public_image())
}

fn from_public_image() -> String {
    let packages = PACKAGES.join(" ");
    format!(
        "FROM {PUBLIC_IMAGE}\nRUN apt-get update && apt-get install --yes --no-install-recommends \
         {packages} && rm -r /var/lib/apt/lists/*\n"
    )
}

/// Builds an image of the files in a directory.
fn build(image: &str, context: &Path, dockerfile: &str) -> Result<()> {
    write(&context.join("Dockerfile"), dockerfile)?;
    sh::quiet(
        Command::new("docker")
            .args(["build", "--tag", image])
            .arg(context),
    )
    .map(drop)
}

fn dockerfile(base: &str) -> String {
    format!("FROM {base}\nCOPY start.sh /start.sh\nEXPOSE 9000\nCMD [\"sh\", \"/start.sh\"]\n")
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(sh::file_error("write", file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_one_the_simulator_starts() {
        let simulator = include_str!("../../simulator/src/ceph.rs");
        for part in [NAME, TAG] {
            assert!(
                simulator.contains(&format!("\"{part}\"")),
                "simulator/src/ceph.rs names another image than {NAME}:{TAG}"
            );
        }
    }

    #[test]
    fn the_script_takes_the_keys_and_serves_the_port_that_the_simulator_gives() {
        for part in ["$S3_ACCESS_KEY", "$S3_SECRET_KEY", "port=9000"] {
            assert!(START.contains(part), "{part}");
        }
    }

    #[test]
    fn elsewhere_the_same_packages_are_installed_in_the_public_image() {
        let dockerfile = from_public_image();
        assert!(dockerfile.starts_with("FROM debian:trixie-slim\nRUN apt-get update && "));
        assert!(dockerfile.contains(" ca-certificates radosgw ceph-mon ceph-osd && "));
    }

    #[test]
    fn the_image_is_the_packages_and_the_script() {
        assert_eq!(
            dockerfile("base:1"),
            "FROM base:1\nCOPY start.sh /start.sh\nEXPOSE 9000\nCMD [\"sh\", \"/start.sh\"]\n"
        );
    }
}
