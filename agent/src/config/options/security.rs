//! Options that promise users something which is not done here. Where doing nothing would be dangerous or
//! break a cloud, the agent does not start; where it is merely less than promised, it says so every time.

use std::collections::BTreeSet;

use model::Role;

use crate::config::values::{Name, Values};

/// Refuses and warns.
pub(super) fn check(values: &mut Values, roles: &BTreeSet<Role>) {
    if roles.contains(&Role::L2) {
        firewall(values);
        let distributed = option!("agent", "enable_distributed_routing", "distributed routers; not built");
        if values.flag(distributed, false) {
            values.refuse(
                distributed,
                "true",
                "distributed routers are not built in: the server would count on them",
            );
        }
    }
    if roles.contains(&Role::L3) {
        let mode = option!("DEFAULT", "agent_mode", "kind of routers; only legacy is built");
        let written = values.get(mode, "legacy".to_owned());
        if written != "legacy" {
            values.refuse(
                mode,
                &written,
                "only legacy routers are built in: the server would place distributed ones here",
            );
        }
    }
}

/// Whether Nova is to plug guests over a Linux bridge: the Python agent's firewall of that kind will filter
/// there when it comes back.
pub(super) fn hybrid_plug(values: &mut Values) -> bool {
    let (enabled, driver) = firewall_options(values);
    enabled && matches!(word(&driver).as_str(), "iptables_hybrid" | "ovshybridiptablesfirewalldriver")
}

fn firewall(values: &mut Values) {
    let (enabled, driver) = firewall_options(values);
    // An absent driver is no firewall for the Python agent too.
    let none = matches!(word(&driver).as_str(), "" | "none" | "noop" | "noopfirewalldriver");
    if enabled && !none {
        values.warn(
            DRIVER,
            &format!(
                "security groups are NOT enforced on this node, although {driver} is set: every port can be \
                 reached from everywhere on its network; address spoofing is prevented. Set it to noop to accept this"
            ),
        );
    }
}

const DRIVER: Name =
    option!("securitygroup", "firewall_driver", "what enforces security groups; nothing does yet");

fn firewall_options(values: &mut Values) -> (bool, String) {
    let enabled = option!("securitygroup", "enable_security_group", "security groups; not enforced yet");
    (values.flag(enabled, true), values.get(DRIVER, String::new()))
}

/// A driver goes by a word or by the name of its class, with its path.
fn word(driver: &str) -> String {
    driver.rsplit('.').next().unwrap_or_default().to_lowercase()
}
