//! Extensions of the agents. Some are part of this program; the others are Python, or not built yet, and
//! an operator has to know at every start that what they do is not done.

use model::Role;

use crate::config::values::Values;

/// Extensions whose work is done here.
const BUILT: &[&str] = &["port_forwarding"];

/// Extensions of one agent of Neutron's and what users miss without them.
const MISSING: &[(Role, &str, &str)] = &[
    (Role::L2, "qos", "QoS policies of ports and networks are not applied"),
    (Role::L2, "fdb", "guests of this node are not reached over an SR-IOV port of the same network"),
    (Role::L2, "log", "security group logs are not written"),
    (Role::L2, "dhcp", "DHCP is served by DHCP agents only"),
    (Role::L2, "local_ip", "local IPs are not reached"),
    (Role::L2, "metadata_path", "metadata is served in routers and by DHCP agents only"),
    (Role::L3, "fip_qos", "QoS policies of floating IPs are not applied"),
    (Role::L3, "gateway_ip_qos", "QoS policies of router gateways are not applied"),
    (Role::L3, "snat_log", "SNAT logs are not written"),
    (Role::L3, "conntrack_helper", "conntrack helpers are not set up"),
    (Role::L3, "ndp_proxy", "NDP proxies are not set up"),
];

/// The extensions that one agent reports: those that are built.
pub(super) fn of(values: &mut Values, role: Role) -> Vec<String> {
    let name = option!("agent", "extensions", "parts of an agent that can be chosen");
    let written: Vec<String> = values.list_for(role, name);
    let (built, rest): (Vec<String>, Vec<String>) =
        written.into_iter().partition(|extension| BUILT.contains(&extension.as_str()));
    for extension in rest {
        // Both agents find what stands in a file of neither.
        match MISSING.iter().find(|(_, name, _)| *name == extension) {
            Some((owner, _, missed)) if *owner == role => {
                values.warn_for(role, name, &format!("the extension {extension} is not built in: {missed}"));
            }
            Some(_) => {}
            None if role == Role::L2 || !values.is_written(name.section, name.option) => {}
            None => values.warn_for(
                role,
                name,
                &format!("the extension {extension} is not known and cannot be loaded"),
            ),
        }
    }
    built
}
