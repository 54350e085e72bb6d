//! The product's image: compiled inside where the public Rust image can be had, otherwise of a
//! program built outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::Workspace;
use crate::docker;
use crate::sh::{self, Failure, Result};

/// The name and tag of what is built.
const IMAGE: &str = "materialize-s3-parquet:local";

/// The program inside.
pub(crate) const PROGRAM: &str = "materialize-s3-parquet";

/// What goes into the image beside it.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// The image of the Dockerfile's build stage (a test compares them).
const RUST_IMAGE: &str = "rust:1.95.0-bookworm";

/// What `cargo xtask image` was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    /// Take a program built outside, whatever the registry has.
    host: bool,
    /// The program built outside; absent: a release build.
    binary: Option<PathBuf>,
}

/// Builds the image in the way that the arguments or the circumstances ask for.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let Arguments { host, binary } = parse(args)?;
    docker::ensure_engine(workspace)?;
    match binary {
        Some(binary) => from_program(workspace, &binary),
        None if !host && docker::can_have_image(RUST_IMAGE) => from_sources(workspace),
        None => from_program(workspace, &release(workspace)?),
    }
}

/// Puts a program into the image's runtime stage.
pub(crate) fn from_program(workspace: &Workspace, program: &Path) -> Result<()> {
    // A directory with nothing but these: the engine is sent all of the context.
    let context = workspace.scratch("image")?;
    let licences = LICENCES.map(|name| workspace.root.join(name));
    for (file, name) in licences
        .iter()
        .map(PathBuf::as_path)
        .zip(LICENCES)
        .chain([(program, PROGRAM)])
    {
        fs::copy(file, context.join(name)).map_err(sh::file_error("copy", file))?;
    }
    sh::say(&format!(
        "making the image {IMAGE} of {}",
        program.display()
    ));
    build(workspace, &context, &["--target", "host"])
}

/// Compiles inside the image's build stage.
fn from_sources(workspace: &Workspace) -> Result<()> {
    sh::say(&format!(
        "building the image {IMAGE} from the sources in {RUST_IMAGE} (more than 10 minutes the \
         first time)"
    ));
    build(workspace, &workspace.root, &[])
}

/// Builds the program as it is released.
fn release(workspace: &Workspace) -> Result<PathBuf> {
    sh::say(&format!(
        "{RUST_IMAGE} is not used: building the release outside (more than 10 minutes the first \
         time)"
    ));
    sh::loud(
        workspace
            .cargo()
            .args(["build", "--release", "--locked", "--package", PROGRAM]),
    )?;
    let target = workspace
        .programs
        .parent()
        .ok_or_else(|| "the target directory has no parent".to_owned())?;
    Ok(target.join("release").join(PROGRAM))
}

/// Runs `docker build` on the Dockerfile; the image it takes the name from is removed, or they
/// would pile up.
fn build(workspace: &Workspace, context: &Path, more: &[&str]) -> Result<()> {
    docker::ensure_base_image()?;
    let former = docker::image_id(IMAGE);
    let version = concat!("VERSION=", env!("CARGO_PKG_VERSION"));
    let mut docker = Command::new("docker");
    docker.args(["build", "--tag", IMAGE, "--build-arg", version, "--file"]);
    docker.arg(workspace.root.join("Dockerfile"));
    sh::quiet(docker.args(more).arg(context))?;
    if let Some(former) = former.filter(|id| docker::image_id(IMAGE).as_ref() != Some(id)) {
        // One that a container still uses stays, which harms nobody.
        sh::succeeds(Command::new("docker").args(["image", "rm", &former]));
    }
    Ok(())
}

/// Reads the arguments.
fn parse(args: &[String]) -> Result<Arguments> {
    let mut parsed = Arguments::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--host" => parsed.host = true,
            "--binary" => {
                let file = rest
                    .next()
                    .ok_or_else(|| "--binary needs the program's path".to_owned())?;
                parsed.binary = Some(PathBuf::from(file));
            }
            other => {
                return Err(Failure::Said(format!(
                    "`cargo xtask image` does not know {other}"
                )));
            }
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments> {
        parse(
            &line
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn arguments_are_read_and_what_is_unknown_is_refused() {
        assert_eq!(parsed(""), Ok(Arguments::default()));
        let both = Arguments {
            host: true,
            binary: Some(PathBuf::from("target/debug/x")),
        };
        assert_eq!(parsed("--host --binary target/debug/x"), Ok(both));
        assert!(parsed("--binary").is_err());
        assert!(parsed("--release").is_err());
    }

    #[test]
    fn the_dockerfile_builds_on_the_images_that_are_looked_for_and_on_the_pinned_toolchain() {
        let dockerfile = include_str!("../../Dockerfile");
        assert!(dockerfile.contains(&format!("FROM {} AS base\n", docker::BASE_IMAGE)));
        assert!(dockerfile.contains(&format!("FROM {RUST_IMAGE} AS build\n")));
        let toolchain = include_str!("../../rust-toolchain.toml");
        let channel = RUST_IMAGE
            .trim_start_matches("rust:")
            .trim_end_matches("-bookworm");
        assert!(toolchain.contains(&format!("channel = \"{channel}\"")));
    }
}
