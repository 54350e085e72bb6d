//! Chance that is the same in every build, on every machine and in every order: it hangs on a seed
//! and a name alone.

/// Whether what has this name is among the given number of a thousand.
pub(super) fn strikes(name: &str, per_mille: u16) -> bool {
    if per_mille >= 1000 {
        return true;
    }
    fastrand::Rng::with_seed(fnv1a(name.as_bytes())).u16(..1000) < per_mille
}

/// A hash that is the same in every build and on every machine, unlike the standard library's.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
