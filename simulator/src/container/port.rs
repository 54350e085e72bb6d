//! A free port of this machine for a container, so that it keeps it when it is killed and started
//! again.

use std::io;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that systems take for outgoing connections: one of those may be gone when a
/// container comes back.
const PORTS: Range<u32> = 20_000..32_000;

/// A port that nobody listens on now. Processes begin at different places, and no call gets the
/// port of another.
pub(super) fn choose() -> io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    let first = std::process::id().wrapping_mul(97);
    for _ in 0..count {
        let offset = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = (PORTS.start + offset) as u16;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other(format!(
        "no port between {} and {} is free",
        PORTS.start, PORTS.end
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_and_not_given_twice() {
        let ports = [choose().unwrap(), choose().unwrap()];
        assert_ne!(ports[0], ports[1]);
        for port in ports {
            assert!(PORTS.contains(&u32::from(port)));
            let _taken = TcpListener::bind(("0.0.0.0", port)).unwrap();
        }
    }
}
