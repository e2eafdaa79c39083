//! What the server says by itself. Every cast is a hint: it may be lost, late, or come twice. Pure.

use std::time::Instant;

use model::{NetworkId, PortId};

use super::network::Heard;
use super::{Dhcp, Known, MOST_WAITING};
use crate::neutron::finding::Sighting;
use crate::neutron::queue::Urgency;
use crate::neutron::role::Message;
use crate::neutron::wire::dhcp_casts::{self, Cast};

impl Dhcp {
    pub(super) fn message(&mut self, message: &Message, now: Instant) {
        let cast = match dhcp_casts::read(message) {
            Ok(cast) => cast,
            Err(why) => {
                self.complaints.add(format_args!("{}: {why}", message.method));
                // That something changed is heard all the same.
                if let Some(network) = dhcp_casts::network(message)
                    && self.networks.contains_key(&network)
                {
                    self.read(network, Urgency::Event);
                }
                return;
            }
        };
        match cast {
            Cast::Given(network) => {
                if self.everything.asking() > 0 {
                    self.taken_since.remove(&network);
                    self.given_since.insert(network);
                }
                self.taken.remove(network);
                self.read(network, Urgency::Event);
            }
            // Late news of what was taken from us.
            Cast::Changed(network) if self.taken.has(network) => {}
            Cast::Changed(network) => self.read(network, Urgency::Event),
            Cast::SubnetGone(subnet) => {
                let home = self.networks.iter().find(|(_, known)| known.has_subnet(subnet));
                if let Some((network, _)) = home {
                    self.read(*network, Urgency::Event);
                }
            }
            Cast::Taken(network) => self.taken(network, now),
            Cast::Port(sighting) => self.port(*sighting, now),
            Cast::PortGone(port, network) => self.port_gone(port, network, now),
            Cast::AgentUpdated => self.resync(),
            Cast::Nothing => {}
        }
    }

    /// Every deletion in the cloud is heard here: most are of networks that are not ours.
    fn taken(&mut self, network: NetworkId, now: Instant) {
        if self.everything.asking() > 0 {
            self.given_since.remove(&network);
            if self.taken_since.len() < MOST_WAITING {
                self.taken_since.insert(network);
            } else {
                self.everything.want((), Urgency::Sync);
            }
        }
        self.leave(network, true, now);
    }

    fn port(&mut self, sighting: Sighting, now: Instant) {
        let (port, network) = (sighting.port.id, sighting.port.network);
        if self.deleted.has(port) || self.taken.has(network) {
            return;
        }
        let Some(known) = self.networks.get_mut(&network) else {
            return self.read(network, Urgency::Event);
        };
        // Without a subnet that has DHCP, nobody on the network is served.
        if !known.is_served() {
            if self.is_reading(network) {
                self.read(network, Urgency::Event);
            }
            return;
        }
        let counted = sighting.revision.is_some();
        let heard = known.hear(sighting, now, &mut self.findings);
        if heard == Heard::Stale {
            return;
        }
        if heard == Heard::Clash || !counted {
            self.read(network, Urgency::Event);
        }
        if heard == Heard::Clash {
            return;
        }
        self.homes.insert(port, network);
        self.protect(port, network);
        self.untold(port, network, heard, now);
        self.go_on(network, Urgency::Event);
    }

    /// What is being read may be older than what was just heard.
    fn protect(&mut self, port: PortId, network: NetworkId) {
        if self.is_reading(network)
            && let Some(known) = self.networks.get_mut(&network)
        {
            known.heard.insert(port);
        }
    }

    fn is_reading(&self, network: NetworkId) -> bool {
        self.queue.is_asking(network) || self.everything.asking() > 0
    }

    fn port_gone(&mut self, port: PortId, network: Option<NetworkId>, now: Instant) {
        self.deleted.add(port, now);
        self.ready.drop(port);
        let Some(home) = self.homes.remove(&port).or(network) else { return };
        let Some(known) = self.networks.get_mut(&home) else { return };
        if known.drop_port(port, now, &mut self.findings) {
            // The network itself may be about to go: a port that is made at once would be in its way.
            known.stuck = false;
            self.read_later(home, now);
        }
    }

    /// Does what is to be done about a network as far as is known.
    pub(super) fn go_on(&mut self, network: NetworkId, urgency: Urgency) {
        let step = self.networks.get(&network).and_then(Known::next_step);
        let leftover = self.releases.contains(&network);
        if step.is_some() || leftover || self.outdated.contains(&network) {
            self.queue.want(network, urgency);
        }
    }
}
