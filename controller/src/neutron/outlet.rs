//! The one way out to the server: for everything, or for a rehearsal, in which the agents that are at work
//! must not notice that somebody else asks in their name.

use messaging::Bus;
use serde_json::Value;

use super::fault::Fault;
use super::role::Request;
use super::seat::send;
use super::turns::Turns;

/// See the head of this module. A clone is the same way.
#[derive(Clone, Debug)]
pub(crate) enum Outlet {
    Everything(Bus, Turns),
    /// What changes something at the server is refused here.
    Reading(Bus),
}

/// What only reads. `tunnel_sync` says what the agent at work says too.
const READS: [&str; 4] = ["bulk_pull", "pull", "sync_routers", "tunnel_sync"];

impl Outlet {
    pub(crate) fn everything(bus: Bus) -> Self {
        Self::Everything(bus, Turns::default())
    }

    pub(crate) async fn send(&self, mut request: Request) -> Result<Value, Fault> {
        match self {
            Self::Everything(bus, turns) => {
                let ports = std::mem::take(&mut request.ports_told);
                let _turn = turns.take(&ports).await;
                send(bus, request).await
            }
            Self::Reading(bus) if reads(request.method) => send(bus, request).await,
            // The server knows this agent: it is at work, or was.
            Self::Reading(_) if request.method == "report_state" => Ok(Value::String("alive".to_owned())),
            Self::Reading(_) => Err(Fault::Refused {
                class: "Rehearsal".to_owned(),
                message: format!("{} is not said in a rehearsal", request.method),
            }),
        }
    }
}

fn reads(method: &str) -> bool {
    method.starts_with("get_") || method.starts_with("has_") || READS.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_changes_nothing() {
        for method in ["get_active_networks_info", "sync_routers", "bulk_pull"] {
            assert!(reads(method), "{method}");
        }
        for method in [
            "report_state",
            "update_device_list",
            "create_dhcp_port",
            "release_dhcp_port",
            "dhcp_ready_on_ports",
        ] {
            assert!(!reads(method), "{method}");
        }
    }
}
