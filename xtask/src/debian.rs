//! Debian and its children: machines on which we can install what is missing, as root.

use std::fs;
use std::process::Command;

use crate::sh::{self, Result};

/// Whether this is a machine on which we can install: root on a Debian or its child.
pub(crate) fn may_install() -> bool {
    let root = sh::quiet(Command::new("id").arg("-u")).is_ok_and(|uid| uid == "0");
    root && fs::read_to_string("/etc/os-release").is_ok_and(|text| is_debian(&text))
}

/// Whether `/etc/os-release` describes Debian, Ubuntu, or what is made of them.
fn is_debian(os_release: &str) -> bool {
    let fields = os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
    fields
        .flat_map(|value| value.trim_matches('"').split(' '))
        .any(|id| id == "debian" || id == "ubuntu")
}

/// Installs packages, saying so first.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    sh::say(&format!(
        "installing {} with apt-get, as root",
        packages.join(", ")
    ));
    let apt = || {
        let mut command = Command::new("apt-get");
        // Another apt may be at work; wait for it.
        command
            .args(["-qq", "-o", "DPkg::Lock::Timeout=120"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    sh::quiet(apt().arg("update"))?;
    sh::quiet(
        apt()
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages),
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_children_are_known_and_others_are_not() {
        assert!(is_debian(
            "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"
        ));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian(
            "ID=fedora\nHOME_URL=\"https://debian.example/\"\n"
        ));
        assert!(!is_debian("ID_LIKE=\"rhel fedora\"\n"));
    }
}
