//! Which program is the connector.

use std::collections::BTreeMap;
use std::path::Path;

use materialize_s3_parquet::protocol::Codec;

use super::options::Options;
use crate::catalog::Endpoint;
use crate::runtime::LocalCommand;

/// The connector that stands for every image, and for no command at all.
pub const CONNECTOR: &str = "materialize-s3-parquet";

/// The connector's command for an endpoint, with the options' word before the catalog's.
pub(super) fn local_command(options: &Options, endpoint: &Endpoint) -> LocalCommand {
    let (command, env) = match endpoint {
        Endpoint::Local { command, env, .. } => (command.clone(), env.clone()),
        Endpoint::Connector { .. } => (vec![CONNECTOR.to_owned()], BTreeMap::new()),
    };
    LocalCommand {
        command: options
            .connector
            .clone()
            .unwrap_or_else(|| beside_ourselves(command)),
        env,
        codec: options.codec.unwrap_or(catalogs_codec(endpoint)),
        log_level: options.log_level,
        seed: options.seed,
    }
}

/// The codec that the catalog says. Images speak protobuf.
pub(super) fn catalogs_codec(endpoint: &Endpoint) -> Codec {
    match endpoint {
        Endpoint::Local {
            protobuf: false, ..
        } => Codec::Json,
        Endpoint::Local { .. } | Endpoint::Connector { .. } => Codec::Proto,
    }
}

/// The same command, its program looked for beside our own first where it is a bare name.
pub fn beside_ourselves(mut command: Vec<String>) -> Vec<String> {
    let own = std::env::current_exe().ok();
    if let (Some(program), Some(folder)) =
        (command.first_mut(), own.as_deref().and_then(Path::parent))
        && !program.contains('/')
        && folder.join(&*program).is_file()
    {
        *program = folder.join(&*program).display().to_string();
    }
    command
}
