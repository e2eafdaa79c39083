//! How long to be patient: with a method that timed out before, and with a broker that does not answer.

use std::collections::HashMap;
use std::time::Duration;

use crate::settings::Retry;

/// The time-outs of methods. A method's doubles with each time it was too short, and stays so while the process
/// lives: the other side is overloaded, and asking it the same again soon makes it worse.
#[derive(Debug)]
pub(crate) struct Patience {
    usual: Duration,
    most: Duration,
    longer: HashMap<String, Duration>,
}

impl Patience {
    pub(crate) fn new(usual: Duration, most: Duration) -> Self {
        Self { usual, most: most.max(usual), longer: HashMap::new() }
    }

    pub(crate) fn timeout(&self, namespace: Option<&str>, method: &str) -> Duration {
        self.longer.get(&key(namespace, method)).copied().unwrap_or(self.usual)
    }

    /// The method was not answered within `waited`. Calls that waited at the same time count once.
    pub(crate) fn timed_out(&mut self, namespace: Option<&str>, method: &str, waited: Duration) {
        let longer = waited.saturating_mul(2).min(self.most);
        let known = self.longer.entry(key(namespace, method)).or_insert(self.usual);
        *known = longer.max(*known);
    }

    /// The pause before a caller hears of a time-out, `share` of 0 to 1 of the longest: many agents that lost the same
    /// server shall not ask again at the same moment.
    pub(crate) fn pause(&self, waited: Duration, share: f64) -> Duration {
        waited.min(self.usual).mul_f64(share.clamp(0.0, 1.0))
    }
}

fn key(namespace: Option<&str>, method: &str) -> String {
    match namespace {
        Some(namespace) => format!("{namespace}.{method}"),
        None => method.to_owned(),
    }
}

/// The pause after a number of attempts to connect that failed in a row.
pub(crate) fn pause(retry: &Retry, failed: u32) -> Duration {
    let longer = retry.backoff.saturating_mul(failed.saturating_sub(1));
    retry.interval.saturating_add(longer).min(retry.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_method_that_times_out_gets_longer_up_to_a_limit() {
        let mut patience = Patience::new(seconds(60), seconds(200));
        patience.timed_out(None, "sync", seconds(60));
        patience.timed_out(None, "sync", seconds(60));
        assert_eq!(patience.timeout(None, "sync"), seconds(120), "two that waited together count once");
        patience.timed_out(None, "sync", seconds(120));
        assert_eq!(patience.timeout(None, "sync"), seconds(200));
        assert_eq!(patience.timeout(None, "other"), seconds(60));
        assert_eq!(patience.timeout(Some("trunk"), "sync"), seconds(60));
    }

    #[test]
    fn the_pause_is_a_share_of_the_usual_time() {
        let patience = Patience::new(seconds(60), seconds(600));
        assert_eq!(patience.pause(seconds(120), 0.5), seconds(30));
        assert_eq!(patience.pause(seconds(10), 1.0), seconds(10));
    }

    #[test]
    fn attempts_to_connect_are_spaced_out() {
        let retry = Retry { interval: seconds(1), backoff: seconds(2), max: seconds(30) };
        let pauses: Vec<u64> = [1, 2, 3, 15, 16, u32::MAX].map(|n| pause(&retry, n).as_secs()).to_vec();
        assert_eq!(pauses, [1, 3, 5, 29, 30, 30]);
    }
}
