//! Options that promise users something which is not done here. Where doing nothing would be dangerous or
//! break a cloud, the agent does not start; where it is merely less than promised, it says so every time.

use std::collections::BTreeSet;

use model::Role;

use crate::config::values::Values;

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

fn firewall(values: &mut Values) {
    let enabled = values
        .flag(option!("securitygroup", "enable_security_group", "security groups; not enforced yet"), true);
    let name = option!("securitygroup", "firewall_driver", "what enforces security groups; nothing does yet");
    let driver = values.get(name, String::new());
    let word = driver.rsplit('.').next().unwrap_or_default().to_lowercase();
    // An absent driver is no firewall for the Python agent too.
    let none = matches!(word.as_str(), "" | "noop" | "noopfirewalldriver");
    if enabled && !none {
        values.warn(
            name,
            &format!(
                "security groups are NOT enforced on this node, although {driver} is set: every port can be \
                 reached from everywhere on its network; address spoofing is prevented. To accept this, set it to noop"
            ),
        );
    }
}
