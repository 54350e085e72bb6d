//! A browser in which the tests look at the simulator's pages: the one that is there, or Debian's
//! Chromium.

use crate::debian;
use crate::sh;

/// The names under which the tests look for it, too; see `tests/conformance/browser.rs`.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Installs a browser where there is none and we may. Without one the tests that need it are
/// skipped and named at the end, and in CI that is a failure; so nothing here is one.
pub(crate) fn ensure() {
    if PROGRAMS.iter().any(|program| sh::find(program).is_some()) {
        return;
    }
    if debian::may_install() && debian::install(&["chromium"]).is_ok() {
        return;
    }
    sh::say(
        "there is no Chromium, and the tests that look at pages with it are skipped (on Debian: \
         apt-get install chromium)",
    );
}
