//! Images of S3 servers that are written in Go and of which no registry is sure to have one:
//! compiled from the sources of their module, once, and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::Workspace;
use crate::docker;
use crate::sh::{self, Result};

/// The oldest Go that can be asked to compile. Where a module wants a newer one, Go fetches that by
/// itself.
const GO: (u32, u32) = (1, 24);

/// The image that has a Go, for machines that have none.
const GO_IMAGE: &str = "golang:1.26";

/// Leaves symbols and debug information out of the program.
const LINKER_FLAGS: &str = "-s -w";

/// A server, and how its image is made.
pub(crate) struct Server {
    /// Its name, for people.
    pub(crate) title: &'static str,
    /// The image, by the name and tag that the simulator asks for.
    pub(crate) image: &'static str,
    pub(crate) tag: &'static str,
    /// The Go module and its version.
    pub(crate) module: &'static str,
    /// The package of the program within the module.
    pub(crate) package: &'static str,
    /// The program's name.
    pub(crate) program: &'static str,
    /// What it is started with.
    pub(crate) arguments: &'static [&'static str],
}

impl Server {
    /// Sees to it that the engine has the image.
    pub(crate) fn ensure_image(&self, workspace: &Workspace) -> Result<()> {
        let image = format!("{}:{}", self.image, self.tag);
        if docker::has_image(&image) {
            return Ok(());
        }
        let scratch = workspace.scratch(self.program)?;
        let dir = scratch.join(self.tag);
        let program = dir.join(self.program);
        if !program.exists() && has_go() {
            sh::say(&format!(
                "building {} from its sources with Go (about 6 minutes, once)",
                self.title
            ));
            self.compile(workspace, &dir)?;
        }
        if program.exists() {
            sh::say(&format!("making the image {image}"));
            return build(&image, &dir, &self.runtime_stage(""));
        }
        sh::say(&format!(
            "building the image {image} from {}'s sources in {GO_IMAGE} (about 8 minutes, once)",
            self.title
        ));
        let empty = workspace.scratch(&format!("{}/empty", self.program))?;
        build(&image, &empty, &self.in_stages())
    }

    /// Compiles the program into a directory that appears only when it is whole.
    ///
    /// It is built where its sources lie, and not installed or taken for a dependency: only so do
    /// the module's own checksums and replacements of dependencies count, and nothing is fetched
    /// that the program does not need.
    fn compile(&self, workspace: &Workspace, dir: &Path) -> Result<()> {
        let go = |arguments: &[&str]| {
            let mut go = workspace.command("go");
            go.args(arguments)
                .env("CGO_ENABLED", "0")
                .env("GOTOOLCHAIN", "auto");
            go
        };
        sh::quiet(&mut go(&["mod", "download", self.module]))?;
        let sources = sh::quiet(&mut go(&["list", "-m", "-f={{.Dir}}", self.module]))?;
        let scratch: PathBuf = dir.with_extension(format!("{}.part", std::process::id()));
        let mut build = go(&["build", "-C", &sources, "-trimpath", "-ldflags"]);
        build.args([LINKER_FLAGS, "-o"]);
        build.arg(scratch.join(self.program)).arg(self.package);
        sh::quiet(&mut build)?;
        fs::rename(&scratch, dir).map_err(sh::file_error("create", dir))
    }

    /// The image itself: the program, copied from the context or from another stage, and two empty
    /// directories.
    fn runtime_stage(&self, from: &str) -> String {
        let program = self.program;
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|argument| format!("\"{argument}\""))
            .collect();
        format!(
            "FROM scratch\nWORKDIR /tmp\nWORKDIR /data\nCOPY {from}{program} /{program}\nEXPOSE \
             9000\nENTRYPOINT [\"/{program}\"]\nCMD [{}]\n",
            arguments.join(", ")
        )
    }

    /// The same image where this machine has no Go: a stage before it compiles the program.
    fn in_stages(&self) -> String {
        let Self {
            module,
            package,
            program,
            ..
        } = self;
        let stage = self.runtime_stage("--from=build /out/");
        format!(
            "FROM {GO_IMAGE} AS build\nENV CGO_ENABLED=0 GOTOOLCHAIN=auto\nRUN go mod download \
             {module}\nRUN go build -C \"$(go list -m -f='{{{{.Dir}}}}' {module})\" -trimpath \
             -ldflags='{LINKER_FLAGS}' -o /out/{program} {package}\n{stage}"
        )
    }
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

/// Whether this machine has a Go that can compile the servers.
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

    const SERVER: Server = Server {
        title: "Some Server",
        image: "some/server",
        tag: "1",
        module: "example.com/some@v1",
        package: "./cmd",
        program: "some",
        arguments: &["serve", "-port=9000"],
    };

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
    fn the_image_is_the_program_and_nothing_else() {
        let dockerfile = SERVER.runtime_stage("");
        assert!(dockerfile.starts_with("FROM scratch\n"), "{dockerfile}");
        assert!(
            dockerfile.ends_with(
                "COPY some /some\nEXPOSE 9000\nENTRYPOINT [\"/some\"]\nCMD [\"serve\", \
                 \"-port=9000\"]\n"
            ),
            "{dockerfile}"
        );
    }

    #[test]
    fn without_go_the_same_image_is_compiled_in_a_stage() {
        let dockerfile = SERVER.in_stages();
        for part in [
            "FROM golang:1.26 AS build\n",
            "RUN go mod download example.com/some@v1\n",
            "RUN go build -C \"$(go list -m -f='{{.Dir}}' example.com/some@v1)\" ",
            " -o /out/some ./cmd\nFROM scratch\n",
            "COPY --from=build /out/some /some\n",
        ] {
            assert!(dockerfile.contains(part), "{part} is not in: {dockerfile}");
        }
    }
}
