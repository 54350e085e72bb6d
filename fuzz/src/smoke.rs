//! Every body over its seeds and over generated input, as part of `cargo test`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{BODIES, Body};

/// How many inputs are generated for each body.
const GENERATED: usize = 1_000;

/// The most bytes of an input without a seed.
const MOST_BYTES: usize = 512;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let files = files(&directory("corpus").join(name));
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Half of the input is a seed with a few bytes changed, half is arbitrary.
fn generate(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if random.bool() {
        let length = random.usize(..MOST_BYTES);
        return std::iter::repeat_with(|| random.u8(..))
            .take(length)
            .collect();
    }
    let mut input = random.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=input.len());
        match random.u8(..4) {
            0 => input.insert(at, random.u8(..)),
            1 => input.truncate(at),
            2 => input.extend_from_within(at..),
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.u8(..);
                }
            }
        }
    }
    input
}

fn smoke(name: &str) {
    let body: Body = BODIES.iter().find(|(body, _)| *body == name).unwrap().1;
    let seeds = seeds(name);
    for seed in &seeds {
        body(seed);
    }
    let mut random = fastrand::Rng::with_seed(0x5eed);
    for _ in 0..GENERATED {
        body(&generate(&mut random, &seeds));
    }
}

#[test]
fn config() {
    smoke("config");
}

#[test]
fn formats() {
    smoke("formats");
}

#[test]
fn json_frames() {
    smoke("json_frames");
}

#[test]
fn packed_tuples() {
    smoke("packed_tuples");
}

#[test]
fn proto_frames() {
    smoke("proto_frames");
}

#[test]
fn rows() {
    smoke("rows");
}

#[test]
fn schema() {
    smoke("schema");
}

#[test]
fn state() {
    smoke("state");
}

#[test]
fn every_body_has_a_test_a_program_and_seeds() {
    let tests = include_str!("smoke.rs");
    let manifest = include_str!("../Cargo.toml");
    for (name, _) in BODIES {
        assert!(tests.contains(&format!("smoke(\"{name}\")")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = fs::read_to_string(directory("fuzz_targets").join(format!("{name}.rs")));
        assert!(
            program.unwrap().contains(&format!("::{name}::run")),
            "{name}"
        );
        assert!(!seeds(name).is_empty(), "{name}");
    }
    let programs = files(&directory("fuzz_targets")).len();
    assert_eq!(programs, BODIES.len());
    let corpora = files(&directory("corpus")).len();
    assert_eq!(corpora, BODIES.len());
}
