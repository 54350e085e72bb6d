//! The image of MinIO that the tests run against. MinIO publishes sources only, so it is built once, and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::Workspace;
use crate::docker;
use crate::sh::{self, Result};

/// The image, by the name and tag that `simulator/src/minio.rs` asks for (a test compares them).
const NAME: &str = "flow-sim/minio";
const TAG: &str = "2026-02-12";

/// The Go module, at the commit of that day.
const MODULE: &str = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c";

/// The oldest Go that the module can be built with, and the image that has it.
const GO: (u32, u32) = (1, 24);
const GO_IMAGE: &str = "golang:1.24";

/// Leaves symbols and debug information out of the program.
const LINKER_FLAGS: &str = "-s -w";

/// Sees to it that the engine has the image.
pub(crate) fn ensure_image(workspace: &Workspace) -> Result<()> {
    let image = format!("{NAME}:{TAG}");
    if docker::has_image(&image) {
        return Ok(());
    }
    let dir = workspace.scratch("minio")?.join(TAG);
    let program = dir.join("minio");
    if !program.exists() && has_go() {
        sh::say("building MinIO from its sources: go install (about 6 minutes, once)");
        install(workspace, &dir)?;
    }
    if program.exists() {
        sh::say(&format!("making the image {image}"));
        return build(&image, &dir, &runtime_stage(""));
    }
    sh::say(&format!(
        "building the image {image} from MinIO's sources in {GO_IMAGE} (about 8 minutes, once)"
    ));
    let empty = workspace.scratch("minio/empty")?;
    build(&image, &empty, &from_sources())
}

/// The image itself: the program, copied from the context or from another stage, and nothing else.
fn runtime_stage(from: &str) -> String {
    format!(
        "FROM scratch\n\
         COPY {from}minio /minio\n\
         EXPOSE 9000\n\
         ENTRYPOINT [\"/minio\"]\n\
         CMD [\"server\", \"/data\", \"--address\", \":9000\"]\n"
    )
}

/// The same image where this machine has no Go: a stage before it compiles the program.
fn from_sources() -> String {
    let compile =
        format!("CGO_ENABLED=0 GOBIN=/out go install -trimpath -ldflags='{LINKER_FLAGS}' {MODULE}");
    format!(
        "FROM {GO_IMAGE} AS build\nRUN {compile}\n{}",
        runtime_stage("--from=build /out/")
    )
}

/// Builds an image of the files in a directory.
fn build(image: &str, context: &Path, dockerfile: &str) -> Result<()> {
    let file = context.with_extension("Dockerfile");
    fs::write(&file, dockerfile).map_err(sh::file_error("write", &file))?;
    sh::quiet(
        Command::new("docker")
            .args(["build", "--tag", image, "--file"])
            .arg(&file)
            .arg(context),
    )
    .map(drop)
}

/// Compiles the program into a directory that appears only when it is whole.
fn install(workspace: &Workspace, dir: &Path) -> Result<()> {
    let scratch: PathBuf = dir.with_extension(format!("{}.part", std::process::id()));
    let mut go = workspace.command("go");
    go.args(["install", "-trimpath", "-ldflags", LINKER_FLAGS, MODULE]);
    sh::quiet(go.env("CGO_ENABLED", "0").env("GOBIN", &scratch))?;
    fs::rename(&scratch, dir).map_err(sh::file_error("create", dir))
}

/// Whether this machine has a Go that can build the module.
fn has_go() -> bool {
    sh::quiet(Command::new("go").arg("version"))
        .is_ok_and(|printed| go_version(&printed).is_some_and(|found| found >= GO))
}

/// Major and minor version out of what `go version` prints.
fn go_version(printed: &str) -> Option<(u32, u32)> {
    let mut numbers = printed
        .split(' ')
        .nth(2)?
        .strip_prefix("go")?
        .split(['.', 'r', 'b', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_one_the_simulator_starts() {
        let simulator = include_str!("../../simulator/src/minio.rs");
        assert!(
            simulator.contains(&format!("\"{NAME}\"")),
            "simulator/src/minio.rs names another image than {NAME}"
        );
        assert!(
            simulator.contains(&format!("\"{TAG}\"")),
            "simulator/src/minio.rs names another tag than {TAG}"
        );
    }

    #[test]
    fn go_versions_are_read_and_compared_as_numbers() {
        assert_eq!(go_version("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(
            go_version("go version go1.25rc1 linux/arm64"),
            Some((1, 25))
        );
        assert!(go_version("go version go1.9.7 linux/amd64").unwrap() < GO);
        assert_eq!(go_version("gccgo (Debian) 12"), None);
    }

    #[test]
    fn without_go_the_same_image_is_compiled_in_a_stage() {
        let dockerfile = from_sources();
        assert!(
            dockerfile
                .starts_with("FROM golang:1.24 AS build\nRUN CGO_ENABLED=0 GOBIN=/out go install")
        );
        assert!(dockerfile.contains("FROM scratch\nCOPY --from=build /out/minio /minio\n"));
    }
}
