//! Hosts: the nodes that ports can be bound to, and where their tunnels end.

use std::net::IpAddr;

use model::HostName;

use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::record::Host;
use super::state::Key;

/// Adds a host or changes its tunnel address.
pub fn put(draft: &mut Draft<'_>, name: HostName, mut fields: Fields) -> Result<(), Fault> {
    if name.0.is_empty() || name.0.len() > 255 {
        return Err(Fault::invalid("name", "it has not between 1 and 255 characters"));
    }
    let old = draft.state.hosts().get(&name).and_then(|host| host.tunnel_ip);
    let tunnel_ip: Option<IpAddr> = fields.nullable_parse("tunnel_ip")?.unwrap_or(old);
    if tunnel_ip.is_some_and(|address| address.is_unspecified() || address.is_multicast()) {
        return Err(Fault::invalid("tunnel_ip", "it is not the address of one host"));
    }
    check_family(draft, tunnel_ip)?;
    fields.tolerate(&["name", "local"]);
    fields.finish()?;
    let same = |host: &&std::sync::Arc<Host>| tunnel_ip.is_some() && host.tunnel_ip == tunnel_ip;
    if let Some(other) = draft.state.hosts().values().find(|host| host.name != name && same(host)) {
        return Err(Fault::invalid("tunnel_ip", format!("host {} has the same", other.name)));
    }
    draft.put_host(Host { name, tunnel_ip });
    Ok(())
}

/// A tunnel has both ends in IPv4 or both in IPv6.
fn check_family(draft: &Draft<'_>, tunnel_ip: Option<IpAddr>) -> Result<(), Fault> {
    match (draft.config.tunnel_ip, tunnel_ip) {
        (Some(own), Some(other)) if own.is_ipv4() != other.is_ipv4() => {
            let reason = format!("no tunnel leads there from this node, whose tunnel address is {own}");
            Err(Fault::invalid("tunnel_ip", reason))
        }
        _ => Ok(()),
    }
}

/// Forgets a host; this node itself stays.
pub fn delete(draft: &mut Draft<'_>, name: &HostName) -> Result<(), Fault> {
    if !draft.state.hosts().contains_key(name) {
        return Err(Fault::not_found("Host", name));
    }
    if *name == draft.config.host {
        return Err(Fault::conflict("HostInUse", format!("Host {name} is this node.")));
    }
    if draft.state.networks_at(name).next().is_some() {
        return Err(Fault::conflict("HostInUse", format!("Host {name} still has ports.")));
    }
    draft.remove(Key::Host(name.clone()));
    Ok(())
}
