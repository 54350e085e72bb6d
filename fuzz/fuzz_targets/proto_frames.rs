//! The body `proto_frames` under libFuzzer; without it, a program that does nothing.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_s3_parquet_fuzz::proto_frames::run(data));

#[cfg(not(fuzzing))]
fn main() {}
