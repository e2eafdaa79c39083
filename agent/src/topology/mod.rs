//! The topology of this node as a picture: who is connected to whom, with names, addresses and state.
//!
//! [`Picture`] is what is drawn, made from the controller's will and the engine's statuses; `text` draws
//! it for a terminal, `svg` for a browser. The picture says what is wanted and how far it got, not what
//! packets do.

pub(crate) mod svg;
pub(crate) mod text;

use model::{Desired, HostName, Network, ObjectRef, Outcome, Port, PortOwner, Router, RouterInterface};
use serde::{Deserialize, Serialize};

use crate::status::Statuses;

/// Everything that is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Picture {
    pub(crate) host: String,
    /// In the order of their names, external networks first.
    pub(crate) networks: Vec<NetworkBox>,
    pub(crate) routers: Vec<RouterBox>,
}

/// A network and what is plugged into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NetworkBox {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Such as `vxlan 1001` or `flat public`.
    pub(crate) carrier: String,
    pub(crate) external: bool,
    pub(crate) subnets: Vec<String>,
    pub(crate) ports: Vec<PortBox>,
    pub(crate) state: State,
}

/// A port that is not a router's: a guest, or the DHCP service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PortBox {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: PortKind,
    pub(crate) mac: String,
    pub(crate) addresses: Vec<String>,
    /// The floating IP by which it is reached from outside.
    pub(crate) floating: Option<String>,
    /// The node that it is on; absent while it is on none.
    pub(crate) host: Option<String>,
    pub(crate) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PortKind {
    Dhcp,
    Guest,
}

/// A router and the networks it joins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouterBox {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Gateway first.
    pub(crate) legs: Vec<Leg>,
    pub(crate) snat: bool,
    pub(crate) host: Option<String>,
    pub(crate) state: State,
}

/// One port of a router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub(crate) network: String,
    pub(crate) device: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) gateway: bool,
}

/// How far an object got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "why", rename_all = "snake_case")]
pub(crate) enum State {
    Right,
    /// Nothing is wrong, and somebody else has to bring something.
    Expecting(String),
    Waiting(String),
    Failed(String),
    /// On another node, or on none: nothing is known of it here.
    Elsewhere,
}

impl State {
    fn of(statuses: &Statuses, object: ObjectRef) -> Self {
        match statuses.get(object).map(|status| &status.outcome) {
            None => Self::Elsewhere,
            Some(Outcome::Done) => Self::Right,
            Some(Outcome::Expecting { what }) => Self::Expecting(what.clone()),
            Some(Outcome::Waiting { on }) => Self::Waiting(on.clone()),
            Some(Outcome::Failed { chain, .. }) => Self::Failed(chain.join(": ")),
        }
    }

    /// One character for it, after which the reason may follow.
    pub(crate) fn mark(&self) -> &'static str {
        match self {
            Self::Right => "✓",
            Self::Expecting(_) => "○",
            Self::Waiting(_) => "…",
            Self::Failed(_) => "✗",
            Self::Elsewhere => "·",
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Waiting(why) | Self::Failed(why) => Some(why),
            Self::Right | Self::Expecting(_) | Self::Elsewhere => None,
        }
    }
}

/// The picture of everything the controller wants.
pub(crate) fn picture(desired: &Desired, statuses: &Statuses, host: &HostName) -> Picture {
    let mut networks: Vec<NetworkBox> =
        desired.networks().values().map(|network| network_box(desired, statuses, network)).collect();
    networks.sort_by(|a, b| (!a.external, &a.name, &a.id).cmp(&(!b.external, &b.name, &b.id)));
    let mut routers: Vec<RouterBox> =
        desired.routers().values().map(|router| router_box(statuses, router)).collect();
    routers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Picture { host: host.to_string(), networks, routers }
}

fn network_box(desired: &Desired, statuses: &Statuses, network: &Network) -> NetworkBox {
    let carrier = network.segments.iter().map(|segment| {
        let detail = segment.physical_network().map(str::to_owned).into_iter();
        let detail: Vec<String> = detail.chain(segment.segmentation_id().map(|id| id.to_string())).collect();
        format!("{} {}", segment.network_type(), detail.join(" ")).trim().to_owned()
    });
    let mut ports: Vec<PortBox> =
        desired.ports_of(network.id).filter_map(|port| port_box(desired, statuses, port)).collect();
    ports.sort_by(|a, b| (a.kind, &a.name, &a.id).cmp(&(b.kind, &b.name, &b.id)));
    NetworkBox {
        id: network.id.to_string(),
        name: name_or_id(&network.name, &network.id),
        carrier: carrier.collect::<Vec<_>>().join(", "),
        external: network.external,
        subnets: desired.subnets_of(network.id).map(|subnet| subnet.cidr.to_string()).collect(),
        ports,
        state: State::of(statuses, ObjectRef::Network(network.id)),
    }
}

/// Routers' ports are drawn as legs of the router, and a floating IP at the port that it leads to.
fn port_box(desired: &Desired, statuses: &Statuses, port: &Port) -> Option<PortBox> {
    let kind = match port.owner {
        PortOwner::RouterInterface | PortOwner::RouterGateway | PortOwner::FloatingIp => return None,
        PortOwner::Dhcp => PortKind::Dhcp,
        PortOwner::Other(_) => PortKind::Guest,
    };
    let name = match kind {
        PortKind::Dhcp => "dhcp".to_owned(),
        PortKind::Guest => name_or_id(&port.name, &port.id),
    };
    Some(PortBox {
        id: port.id.to_string(),
        name,
        kind,
        mac: port.mac.to_string(),
        addresses: port.fixed_ips.iter().map(|fixed| fixed.address.to_string()).collect(),
        floating: floating_ip(desired, port),
        host: port.binding.as_ref().map(|binding| binding.host.to_string()),
        state: State::of(statuses, ObjectRef::Port(port.id)),
    })
}

/// The floating IP of a router on the port's network that leads to one of the port's addresses.
fn floating_ip(desired: &Desired, port: &Port) -> Option<String> {
    let routers = desired.routers().values();
    let here = routers.filter(|router| router.interfaces.iter().any(|leg| leg.network == port.network));
    let floating = here.flat_map(|router| &router.floating_ips);
    let mut mine = floating.filter(|ip| port.fixed_ips.iter().any(|fixed| fixed.address == ip.fixed));
    mine.next().map(|ip| ip.floating.to_string())
}

fn router_box(statuses: &Statuses, router: &Router) -> RouterBox {
    let gateway = router.gateway.as_ref();
    let way_out = gateway.map(|gateway| leg(&gateway.interface, true));
    RouterBox {
        id: router.id.to_string(),
        name: name_or_id(&router.name, &router.id),
        legs: way_out.into_iter().chain(router.interfaces.iter().map(|port| leg(port, false))).collect(),
        snat: gateway.is_some_and(|gateway| gateway.enable_snat),
        host: router.host.as_ref().map(ToString::to_string),
        state: State::of(statuses, ObjectRef::Router(router.id)),
    }
}

fn leg(interface: &RouterInterface, gateway: bool) -> Leg {
    let device = if gateway {
        model::names::router_gateway(interface.port)
    } else {
        model::names::router_interface(interface.port)
    };
    Leg {
        network: interface.network.to_string(),
        device,
        addresses: interface.addresses.iter().map(|net| net.addr().to_string()).collect(),
        gateway,
    }
}

fn name_or_id(name: &str, id: &dyn std::fmt::Display) -> String {
    if name.is_empty() { id.to_string() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, external: bool, ports: usize) -> NetworkBox {
        let port = |number: usize| PortBox {
            id: format!("{name}-{number}"),
            name: format!("<{name}&{number}>"),
            kind: PortKind::Guest,
            mac: "fa:16:3e:00:00:01".to_owned(),
            addresses: vec![format!("10.0.0.{number}")],
            floating: (number == 0).then(|| "203.0.113.9".to_owned()),
            host: Some("node1".to_owned()),
            state: State::Right,
        };
        NetworkBox {
            id: name.to_owned(),
            name: name.to_owned(),
            carrier: "vxlan 7".to_owned(),
            external,
            subnets: vec!["10.0.0.0/24".to_owned()],
            ports: (0..ports).map(port).collect(),
            state: State::Failed("no bridge".to_owned()),
        }
    }

    fn example() -> Picture {
        let leg = |network: &str, gateway| Leg {
            network: network.to_owned(),
            device: "qr-1".to_owned(),
            addresses: vec!["10.0.0.1".to_owned()],
            gateway,
        };
        Picture {
            host: "node1".to_owned(),
            networks: vec![network("out", true, 0), network("a", false, 7), network("b", false, 1)],
            routers: vec![RouterBox {
                id: "r".to_owned(),
                name: "edge".to_owned(),
                legs: vec![leg("out", true), leg("a", false), leg("b", false)],
                snat: true,
                host: None,
                state: State::Waiting("device qg-1".to_owned()),
            }],
        }
    }

    #[test]
    fn the_terminal_shows_everything_and_why() {
        let drawn = text::draw(&example());
        for part in [
            "✗ out",
            "no bridge",
            "… router edge",
            "device qg-1",
            "source NAT",
            "⇄ 203.0.113.9",
            "on no node",
        ] {
            assert!(drawn.contains(part), "{part} is missing in\n{drawn}");
        }
    }

    #[test]
    fn the_drawing_is_well_formed_whatever_things_are_called() {
        let drawn = svg::draw(&example());
        assert!(drawn.contains("&lt;a&amp;3&gt;"), "names are not escaped");
        assert_eq!(drawn.matches("<path").count(), 3 + 8, "a line for each leg and port");
        assert_eq!(drawn.matches("class=\"card\"").count(), 8);
    }
}
