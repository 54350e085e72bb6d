//! Tells programs and tests that link DuckDB where the loader finds its library. The build script of every package
//! that does: the conformance suite, and the simulator by `build = "../build.rs"`.

use std::path::Path;

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told by its environment"
)]
fn main() {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    // Set in `.cargo/config.toml` where the user has not; a relative one is meant from the workspace's top directory.
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|dir| dir.join("Cargo.lock").exists());
    if let (Some(top), Some(dir)) = (top, std::env::var_os("DUCKDB_LIB_DIR")) {
        println!(
            "cargo:rustc-link-arg=-Wl,-rpath,{}",
            top.join(dir).display()
        );
    }
}
