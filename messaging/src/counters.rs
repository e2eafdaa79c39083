//! What passed through the bus, counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A copy of the counters at one moment; all of them only grow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    /// Messages handed to the broker and confirmed by it, and their bodies' bytes.
    pub sent: u64,
    pub sent_bytes: u64,
    /// Messages received, answers included, and their bodies' bytes.
    pub received: u64,
    pub received_bytes: u64,
    /// Answers that the broker could not deliver.
    pub returned: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Received messages that were not handed over.
    pub dropped: BTreeMap<Dropped, u64>,
    /// By `topic.method`.
    pub calls: BTreeMap<String, MethodCalls>,
}

/// What kind of message was dropped, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    pub topic: String,
    /// Empty when the message did not tell.
    pub method: String,
    /// `malformed`, `duplicate`, `unsupported-version`, `no-such-method`, `bad-arguments`, `compressed`, `late-answer`.
    pub reason: &'static str,
}

/// The calls of one method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MethodCalls {
    pub made: u64,
    pub failed: u64,
    pub timed_out: u64,
    /// All of their durations together, and the longest.
    pub total: Duration,
    pub longest: Duration,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Answered,
    Failed,
    TimedOut,
}

/// The counters while they count.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Counters>);

/// Names come from other people's messages: beyond so many different ones, they are counted together.
const MOST_NAMES: usize = 1000;
const LONGEST_NAME: usize = 80;

impl Meter {
    pub(crate) fn counters(&self) -> Counters {
        self.lock().clone()
    }

    pub(crate) fn sent(&self, bytes: usize) {
        let mut counters = self.lock();
        counters.sent += 1;
        counters.sent_bytes += bytes as u64;
    }

    pub(crate) fn received(&self, bytes: usize) {
        let mut counters = self.lock();
        counters.received += 1;
        counters.received_bytes += bytes as u64;
    }

    pub(crate) fn returned(&self) {
        self.lock().returned += 1;
    }

    pub(crate) fn reconnected(&self) {
        self.lock().reconnects += 1;
    }

    /// Returns how often this happened.
    pub(crate) fn dropped(&self, topic: &str, method: &str, reason: &'static str) -> u64 {
        let mut counters = self.lock();
        let key = Dropped { topic: short(topic), method: short(method), reason };
        let full = counters.dropped.len() >= MOST_NAMES && !counters.dropped.contains_key(&key);
        let key =
            if full { Dropped { method: "(others)".to_owned(), topic: String::new(), reason } } else { key };
        let times = counters.dropped.entry(key).or_default();
        *times += 1;
        *times
    }

    pub(crate) fn called(&self, topic: &str, method: &str, took: Duration, ended: Ended) {
        let mut counters = self.lock();
        let calls = counters.calls.entry(format!("{topic}.{method}")).or_default();
        calls.made += 1;
        calls.failed += u64::from(ended == Ended::Failed);
        calls.timed_out += u64::from(ended == Ended::TimedOut);
        calls.total += took;
        calls.longest = calls.longest.max(took);
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name from the wire, short enough to be kept and logged.
pub(crate) fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
