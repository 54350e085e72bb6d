//! The rooms of a crate, and who may know whom: as ARCHITECTURE has them, each knows only those
//! below it.

use std::collections::BTreeSet;

use super::Finding;
use super::sources::Source;

/// A crate whose rooms are in order, the highest first.
struct Floors {
    folder: &'static str,
    rooms: &'static [&'static str],
}

const CRATES: [Floors; 2] = [
    Floors {
        folder: "connector/src/",
        rooms: &[
            "main",
            "serve",
            "apply",
            "validate",
            "transactor",
            "left_behind",
            "staging",
            "report",
            "binding",
            "responses",
            "requests",
            "store",
            "checkpoint",
            "parquet",
            "mapping",
            "protocol",
            "config",
            "keys",
            "pacing",
            "stop",
            "command_line",
            "logging",
            "error",
        ],
    },
    Floors {
        folder: "simulator/src/",
        rooms: &[
            "main",
            "cli",
            "report",
            "bench",
            "torture",
            "replay",
            "inspect",
            "run",
            "readback",
            "seaweedfs",
            "ceph",
            "minio",
            "container",
            "s3",
            "staging",
            "runtime",
            "transcript",
            "extract",
            "fixture",
            "catalog",
            "generate",
            "combine",
            "selection",
            "document_uuid",
            "schema",
            "status",
            "whole_file",
            "utf8",
            "suggest",
            "refusal",
            "figures",
        ],
    },
];

pub(super) fn findings(sources: &[Source]) -> Vec<Finding> {
    CRATES
        .iter()
        .flat_map(|floors| floors.findings(sources))
        .collect()
}

impl Floors {
    fn findings(&self, sources: &[Source]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for source in sources.iter().filter(|source| !source.is_test()) {
            let Some(room) = self.room_of(source) else {
                continue;
            };
            let Some(floor) = self.floor(room) else {
                findings.push(Finding::new(&source.path, self.unknown(room)));
                continue;
            };
            for other in names_after_crate(source) {
                let climbs = self.floor(other).is_some_and(|below| below < floor);
                if climbs {
                    let what = format!("`{room}` must not know `{other}`, which is above it");
                    findings.push(Finding::new(&source.path, what));
                }
            }
        }
        findings
    }

    /// The room that a file of this crate is in; none where it is of another crate, or its root.
    fn room_of<'a>(&self, source: &'a Source) -> Option<&'a str> {
        let path = source.path.strip_prefix(self.folder)?;
        let first = path.split('/').next()?;
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (room != "lib").then_some(room)
    }

    fn floor(&self, room: &str) -> Option<usize> {
        self.rooms.iter().position(|known| *known == room)
    }

    fn unknown(&self, room: &str) -> String {
        format!(
            "`{room}` is a room of {} that the order in xtask/src/tidy/rooms.rs has no floor for",
            self.folder
        )
    }
}

/// The modules that a file names by `crate::…`.
fn names_after_crate(source: &Source) -> BTreeSet<&str> {
    let pieces = source.code().flat_map(|line| line.split("crate::").skip(1));
    pieces
        .filter_map(|piece| {
            let name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            piece.split(|letter| !name(letter)).next()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(path: &str, text: &str) -> Vec<String> {
        let findings = findings(&[Source::new(path, text)]);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_room_knows_those_below_it_only() {
        assert!(what("connector/src/serve/mod.rs", "use crate::store::Way;\n").is_empty());
        let climbs = what(
            "connector/src/store/way.rs",
            "let x = crate::serve::serve();\n",
        );
        assert_eq!(climbs, ["`store` must not know `serve`, which is above it"]);
    }

    #[test]
    fn comments_and_tests_may_know_all() {
        let told = "//! See [`crate::serve`].\n#[cfg(test)]\nmod tests { use crate::serve; }\n";
        assert!(what("connector/src/store/way.rs", told).is_empty());
        assert!(what("connector/src/store/tests.rs", "use crate::serve;\n").is_empty());
    }

    #[test]
    fn a_new_room_needs_a_floor() {
        assert_eq!(what("connector/src/attic.rs", "").len(), 1);
        assert!(what("connector/src/lib.rs", "pub mod attic;\n").is_empty());
    }
}
