//! Waiting for a condition with a deadline. The only place of the tests that sleeps.
//!
//! A test never waits for a time to pass: it waits for something to be true, and when that does not
//! happen it says what was seen last.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Polls `condition` until it gives `Ok`, and returns that.
///
/// The deadline is in seconds of an ordinary machine; `BARYON_TEST_PATIENCE` multiplies it where the
/// processor is emulated.
///
/// # Panics
/// When the deadline passes, with the error that `condition` gave last.
#[track_caller]
pub fn until<T, E: Display>(seconds: u64, what: &str, condition: impl FnMut() -> Result<T, E>) -> T {
    poll(Duration::from_millis(20), seconds, what, condition)
}

/// The same for a condition that is dear to ask for: five times a second.
///
/// # Panics
/// When the deadline passes, with the error that `condition` gave last.
#[track_caller]
pub fn seldom<T, E: Display>(seconds: u64, what: &str, condition: impl FnMut() -> Result<T, E>) -> T {
    poll(Duration::from_millis(200), seconds, what, condition)
}

#[track_caller]
fn poll<T, E: Display>(
    interval: Duration,
    seconds: u64,
    what: &str,
    mut condition: impl FnMut() -> Result<T, E>,
) -> T {
    let limit = Duration::from_secs(seconds) * patience();
    let start = Instant::now();
    loop {
        match condition() {
            Ok(value) => return value,
            Err(state) if start.elapsed() > limit => {
                panic!("{what}: not within {} s. Last seen: {state}", limit.as_secs())
            }
            // Slower where asking takes a processor's time that the asked one needs.
            Err(_) => sleep(interval * patience()),
        }
    }
}

/// Lets time pass because time is what is measured, or because an event is to come at any moment. To wait for
/// something, use [`until`].
pub fn pass(time: Duration) {
    sleep(time);
}

/// How many times slower than usual this machine may be.
#[must_use]
pub fn patience() -> u32 {
    std::env::var("BARYON_TEST_PATIENCE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
