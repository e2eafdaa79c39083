//! The names of queues that are ours alone. They are drawn once and kept while the process lives, so that an answer
//! on its way finds its queue after a reconnection.

use std::collections::HashMap;

use uuid::Uuid;

use crate::settings::QueueManager;

/// The names in use.
#[derive(Debug)]
pub(crate) struct Names {
    manager: Option<QueueManager>,
    /// How many names were given in the manager's way.
    given: u32,
    reply: String,
    fanouts: HashMap<String, String>,
}

impl Names {
    pub(crate) fn new(manager: Option<QueueManager>) -> Self {
        let manager = manager.map(filled);
        let mut names = Self { manager, given: 0, reply: String::new(), fanouts: HashMap::new() };
        names.reply = names.next("reply");
        names
    }

    /// The queue that answers come to.
    pub(crate) fn reply(&self) -> &str {
        &self.reply
    }

    /// Our own queue of a topic's fanout.
    pub(crate) fn fanout(&mut self, topic: &str) -> String {
        if let Some(name) = self.fanouts.get(topic) {
            return name.clone();
        }
        let name = self.next(&format!("{topic}_fanout"));
        self.fanouts.insert(topic.to_owned(), name.clone());
        name
    }

    /// All queues that nobody but this process uses.
    pub(crate) fn all(&self) -> Vec<String> {
        self.fanouts.values().chain([&self.reply]).cloned().collect()
    }

    fn next(&mut self, beginning: &str) -> String {
        match &self.manager {
            None => format!("{beginning}_{}", Uuid::new_v4().simple()),
            Some(QueueManager { host, process }) => {
                self.given += 1;
                format!("{beginning}_{host}:{process}:{}", self.given)
            }
        }
    }
}

/// A manager without names takes those of the machine and the program.
fn filled(manager: QueueManager) -> QueueManager {
    let or = |name: String, other: fn() -> Option<String>| match name.is_empty() {
        false => name,
        true => other().unwrap_or_else(|| "unknown".to_owned()),
    };
    QueueManager {
        host: or(manager.host, || {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
            Some(name.trim().to_owned())
        }),
        process: or(manager.process, || {
            let program = std::env::args_os().next()?;
            Some(std::path::Path::new(&program).file_name()?.to_string_lossy().into_owned())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_drawn_once() {
        let mut names = Names::new(None);
        assert_eq!(names.reply().len(), "reply_".len() + 32);
        let first = names.fanout("news");
        assert!(first.starts_with("news_fanout_") && first.len() == "news_fanout_".len() + 32, "{first}");
        assert_eq!(names.fanout("news"), first);
        assert_ne!(names.fanout("other"), first);
        assert_eq!(names.all().len(), 3);
    }

    #[test]
    fn the_manager_counts() {
        let mut names = Names::new(Some(QueueManager { host: "n1".into(), process: "agent".into() }));
        assert_eq!(names.reply(), "reply_n1:agent:1");
        assert_eq!(names.fanout("news"), "news_fanout_n1:agent:2");
        assert_eq!(names.fanout("news"), "news_fanout_n1:agent:2");
    }
}
