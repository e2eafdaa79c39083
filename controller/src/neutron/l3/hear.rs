//! What the server says by itself, and what the engine says of routers. Pure.

use std::collections::BTreeMap;

use model::{FloatingIpId, ObjectRef, Outcome, Report, RouterId};

use super::L3;
use super::router::Known;
use crate::neutron::role::Message;
use crate::neutron::wire::l3_calls::Status;
use crate::neutron::wire::l3_casts::{self, Cast};

impl L3 {
    pub(super) fn message(&mut self, message: &Message) {
        let cast = match l3_casts::read(message) {
            Ok(cast) => cast,
            Err(why) => return self.complaints.add(format_args!("{}: {why}", message.method)),
        };
        match cast {
            Cast::Changed(routers) => routers.into_iter().for_each(|router| self.read(router)),
            Cast::Gone(router) => self.gone(router),
            Cast::Network(network, mtu) => {
                let on = self.routers.iter().filter(|(_, known)| known.is_on(network, mtu));
                let on: Vec<RouterId> = on.map(|(id, _)| *id).collect();
                on.into_iter().for_each(|router| self.read(router));
            }
            Cast::Forwardings(push) => {
                push.why.iter().for_each(|why| self.complaints.add(format_args!("PortForwarding: {why}")));
                let (routers, to_read) = self.forwardings.pushed(push);
                routers.into_iter().for_each(|router| self.find(router));
                for router in to_read {
                    if self.routers.contains_key(&router) {
                        self.read(router);
                    }
                }
            }
            Cast::AgentUpdated => self.resync(),
            Cast::Nothing => {}
        }
    }

    /// Every deletion in the cloud is heard here: most are of routers that are not ours.
    fn gone(&mut self, router: RouterId) {
        let is_listing = self.everything.asking() > 0;
        if self.is_known(router) || self.queue.is_asking(router) || is_listing {
            self.read(router);
        }
    }

    pub(super) fn report(&mut self, report: &Report) {
        for (object, outcome) in &report.0 {
            let ObjectRef::Router(router) = object else { continue };
            let known = self.routers.get_mut(router).filter(|known| known.is_found());
            let Some(known) = known else { continue };
            known.works = match outcome {
                Outcome::Done => Some(true),
                Outcome::Failed { .. } => Some(false),
                Outcome::Expecting { .. } | Outcome::Waiting { .. } => None,
            };
            self.tell(*router);
        }
    }

    /// The server was told; what was read meanwhile may be newer, or older.
    pub(super) fn settle_doubts(&mut self) {
        for router in std::mem::take(&mut self.doubtful) {
            let Some(known) = self.routers.get_mut(&router) else { continue };
            for id in std::mem::take(&mut known.doubted) {
                if self.statuses.is_busy(id) {
                    known.doubted.insert(id);
                    self.doubtful.insert(router);
                } else if let Some(believed) = known.believed.get_mut(&id) {
                    *believed = None;
                }
            }
            self.tell(router);
        }
    }

    /// Floating IPs may have gone from a router before the server was told of them.
    pub(super) fn forget_departed(&mut self, router: RouterId) {
        let Self { routers, statuses, .. } = self;
        statuses.retain(router, |id, status| {
            let has = |known: &Known| known.believed.contains_key(&id);
            match status {
                Status::Down => !routers.values().any(has),
                Status::Active | Status::Error => routers.get(&router).is_some_and(has),
            }
        });
    }

    /// Tells of floating IPs that are gone, once it is known that they did not go to another router here.
    pub(super) fn tell_departed(&mut self) {
        if self.queue.asking() == 0 && self.queue.ready() == 0 {
            let departing = std::mem::take(&mut self.departing);
            departing.into_iter().for_each(|router| self.tell(router));
        }
    }

    /// Tells the server what it does not believe yet of a router's floating IPs.
    pub(super) fn tell(&mut self, router: RouterId) {
        let Some(known) = self.routers.get(&router) else { return };
        let Some(works) = known.works else { return };
        let status = if works { Status::Active } else { Status::Error };
        let here = known.floating_ips();
        let mut statuses: BTreeMap<FloatingIpId, Status> =
            here.filter(|id| known.believed.get(id) != Some(&Some(status))).map(|id| (id, status)).collect();
        let all_read = self.queue.asking() == 0 && self.queue.ready() == 0;
        if works && all_read {
            let is_elsewhere =
                |id: &FloatingIpId| self.routers.values().any(|other| other.believed.contains_key(id));
            let departed = known.departed.iter().filter(|id| !is_elsewhere(id));
            statuses.extend(departed.map(|id| (*id, Status::Down)));
        }
        let Some(known) = self.routers.get_mut(&router) else { return };
        if works && all_read {
            known.departed.clear();
        } else if !known.departed.is_empty() {
            self.departing.insert(router);
        }
        for (id, status) in &statuses {
            if let Some(believed) = known.believed.get_mut(id) {
                *believed = Some(*status);
            }
        }
        self.statuses.tell(router, statuses);
    }
}
