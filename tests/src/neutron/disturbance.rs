//! What may happen to a server that is neither up nor down: a part of it stands still, and messages come again.

use crate::neutron::{Server, Watch};

impl Server {
    /// Stops a part's processes without ending them, or lets them go on.
    #[track_caller]
    pub fn freeze(&self, part: &str, frozen: bool) {
        let signal = if frozen { "STOP" } else { "CONT" };
        self.space().sh(&format!("kill -{signal} -$(cat {}/{part}.pid)", super::server::STATE));
    }

    /// Has everything said again that the server says to the agents of these hosts, each time it says it. The topics
    /// are those that are listened to by now.
    #[track_caller]
    #[must_use]
    pub fn echo(&self, hosts: &[&str]) -> Echo {
        let exchanges = self.rabbitmqctl("list_exchanges name --no-table-headers");
        let for_agents = |name: &&str| {
            let beginnings = ["neutron-vo-", "q-agent-notifier-", "dhcp_agent", "l3_agent"];
            name.ends_with("_fanout") && beginnings.iter().any(|beginning| name.starts_with(beginning))
        };
        let fanouts: Vec<&str> = exchanges.lines().map(str::trim).filter(for_agents).collect();
        assert!(!fanouts.is_empty(), "no agent listens: {exchanges}");
        let topics = ["dhcp_agent", "l3_agent", "q-agent-notifier-l2population-update"];
        let keys: Vec<String> =
            hosts.iter().flat_map(|host| topics.map(|topic| format!("{topic}.{host}"))).collect();
        let mut watch = Watch::start(self, "echo.py", super::server::ADDRESS);
        watch.ask(&format!("{} {}", fanouts.join(","), keys.join(",")));
        // It hears from now on.
        let _ = watch.number();
        Echo { watch }
    }
}

/// Messages are said again until this ends.
#[derive(Debug)]
pub struct Echo {
    watch: Watch,
}

impl Echo {
    /// Waits for what is still to be said; gives how many messages were said again.
    #[track_caller]
    #[must_use]
    pub fn finish(mut self) -> f64 {
        self.watch.ask("end");
        self.watch.number()
    }
}
