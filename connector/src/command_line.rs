//! What a person may ask of the program itself. A runtime starts it without arguments and talks to
//! it on standard input.

/// How to use the program, as `--help` tells it.
pub const HELP: &str = "\
materialize-s3-parquet: an Estuary Flow connector that writes collections into an S3 bucket as \
                        Parquet files

It is not a command for people: a Flow runtime starts it, writes requests of the materialize \
                        protocol to its standard
input, and reads the responses from its standard output. Logs are JSON lines on standard error.

To try it on a laptop, play a catalog against it: flow-sim run flow.yaml

Options:
  --help       prints this
  --version    prints the version

Environment:
  LOG_LEVEL             error, warn, info (default), debug or trace
  FLOW_RUNTIME_CODEC    proto (default) or json
  AWS_CA_BUNDLE         a PEM file with further authorities to trust
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY
                        the proxies on the way to S3
";

/// What a terminal on standard input is told.
pub const HINT: &str = "\
This connector reads requests of a Flow runtime from standard input, and nobody has asked it \
                        anything yet: `--help` says more, and Ctrl-D ends it.
";

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To serve a runtime. The argument, if there is one, means nothing.
    Serve {
        /// The first argument that is not known.
        unknown: Option<String>,
    },
    /// To print a text and end.
    Print(String),
}

/// Reads the arguments, without the program's own name.
pub fn asked(arguments: impl IntoIterator<Item = String>) -> Asked {
    let mut unknown = None;
    for argument in arguments {
        match argument.as_str() {
            "--help" | "-h" => return Asked::Print(HELP.to_owned()),
            "--version" | "-V" => return Asked::Print(version()),
            _ => {
                unknown.get_or_insert(argument);
            }
        }
    }
    Asked::Serve { unknown }
}

fn version() -> String {
    format!("materialize-s3-parquet {}\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Asked {
        asked(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn no_arguments_serve_and_neither_do_unknown_ones_stop_a_task() {
        assert_eq!(of(""), Asked::Serve { unknown: None });
        let unknown = Some("--verbose".to_owned());
        assert_eq!(of("--verbose twice"), Asked::Serve { unknown });
    }

    #[test]
    fn help_and_version_are_printed_wherever_they_stand() {
        assert_eq!(of("-h"), of("--help"));
        assert_eq!(of("x --help"), Asked::Print(HELP.to_owned()));
        let expected = concat!("materialize-s3-parquet ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(of("--version"), Asked::Print(expected.to_owned()));
        assert_eq!(of("-V"), of("--version"));
    }
}
