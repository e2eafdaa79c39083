//! A small model of the server: its routers, how it answers, and what it says when something changes.

use std::collections::{BTreeMap, BTreeSet};

use model::{FloatingIpId, NetworkId, PortForwardingId, PortId, RouterId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::neutron::fault::Fault;
use crate::neutron::role::{Message, Request};

#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) routers: BTreeMap<u8, Router>,
    mtu: BTreeMap<u8, u32>,
    pub(super) statuses: BTreeMap<u8, String>,
    next_forwarding: u8,
    pub(super) said: Vec<Message>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Router {
    pub(super) ours: bool,
    pub(super) up: bool,
    ha: bool,
    gateway: bool,
    legs: BTreeSet<u8>,
    /// Floating IPs and the last bytes of fixed addresses.
    pub(super) floating: BTreeMap<u8, u8>,
    /// By floating IP: external ports with revisions.
    pub(super) forwarded: BTreeMap<u8, BTreeMap<u8, (u16, i64)>>,
}

pub(super) fn router_id(number: u8) -> RouterId {
    RouterId(Uuid::from_u128(0x1000 + u128::from(number)))
}

pub(super) fn floating_id(number: u8) -> FloatingIpId {
    FloatingIpId(Uuid::from_u128(0x2000 + u128::from(number)))
}

fn forwarding_id(number: u8) -> PortForwardingId {
    PortForwardingId(Uuid::from_u128(0x3000 + u128::from(number)))
}

fn network_id(number: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(0x4000 + u128::from(number)))
}

fn port_id(router: u8, network: u8) -> PortId {
    PortId(Uuid::from_u128(0x50_0000 + 256 * u128::from(router) + u128::from(network)))
}

/// What somebody does to the cloud.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Router(u8),
    Ours(u8, bool),
    Up(u8, bool),
    Ha(u8, bool),
    Leg(u8, u8),
    DropLeg(u8, u8),
    Floating(u8, u8, u8),
    DropFloating(u8),
    Forwarding(u8, u8, u16),
    Reforward(u8, u16),
    DropForwarding(u8),
    Mtu(u8),
    Delete(u8),
}

/// The number of the external network.
const OUTSIDE: u8 = 200;

impl Server {
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Router(r) => {
                let new = Router { ours: true, up: true, ..Router::default() };
                self.routers.entry(r).or_insert(new);
                self.say("router_added_to_agent", json!({"payload": [router_id(r)]}));
            }
            Change::Ours(r, ours) => {
                let Some(router) = self.routers.get_mut(&r) else { return };
                router.ours = ours;
                let payload = json!({"payload": {"router_id": router_id(r)}});
                match ours {
                    true => self.say("router_added_to_agent", json!({"payload": [router_id(r)]})),
                    false => self.say("router_removed_from_agent", payload),
                }
            }
            Change::Up(r, up) => self.with(r, |router| router.up = up),
            Change::Ha(r, ha) => self.with(r, |router| router.ha = ha),
            Change::Leg(r, n) => self.with(r, |router| _ = router.legs.insert(n)),
            Change::DropLeg(r, n) => self.with(r, |router| _ = router.legs.remove(&n)),
            Change::Floating(r, f, fixed) => {
                if self.routers.contains_key(&r) {
                    self.drop_floating(f);
                    self.statuses.insert(f, "DOWN".to_owned());
                    self.with(r, |router| {
                        router.gateway = true;
                        router.floating.insert(f, fixed);
                    });
                }
            }
            Change::DropFloating(f) => self.drop_floating(f),
            Change::Forwarding(r, f, port) => self.forward(r, f, port),
            Change::Reforward(which, port) => self.change_forwarding(which, Some(port)),
            Change::DropForwarding(which) => self.change_forwarding(which, None),
            Change::Mtu(n) => {
                let mtu = self.mtu.entry(n).or_insert(1450);
                *mtu += 1;
                let network = json!({"network": {"id": network_id(n), "mtu": *mtu}});
                self.say("network_update", network);
            }
            Change::Delete(r) => {
                if self.routers.remove(&r).is_some() {
                    self.say("router_deleted", json!({"router_id": router_id(r)}));
                }
            }
        }
    }

    fn with(&mut self, r: u8, change: impl FnOnce(&mut Router)) {
        let Some(router) = self.routers.get_mut(&r) else { return };
        change(router);
        self.say("routers_updated", json!({"routers": [router_id(r)]}));
    }

    fn drop_floating(&mut self, f: u8) {
        self.statuses.remove(&f);
        let of: Vec<u8> = self.routers.keys().copied().collect();
        for r in of {
            let router = &self.routers[&r];
            if router.floating.contains_key(&f) || router.forwarded.contains_key(&f) {
                self.with(r, |router| {
                    router.floating.remove(&f);
                    router.forwarded.remove(&f);
                });
            }
        }
    }

    fn forward(&mut self, r: u8, f: u8, port: u16) {
        let Some(router) = self.routers.get(&r) else { return };
        let is_elsewhere = self.routers.iter().any(|(other, router)| {
            router.floating.contains_key(&f) || (*other != r && router.forwarded.contains_key(&f))
        });
        if is_elsewhere {
            return;
        }
        let is_first = !router.forwarded.contains_key(&f);
        let id = self.next_forwarding;
        self.next_forwarding = self.next_forwarding.wrapping_add(1);
        if is_first {
            self.statuses.insert(f, "DOWN".to_owned());
        }
        let Some(router) = self.routers.get_mut(&r) else { return };
        router.gateway = true;
        router.forwarded.entry(f).or_default().insert(id, (port, 0));
        self.push("created", r, f, id, (port, 0));
    }

    fn change_forwarding(&mut self, which: u8, to: Option<u16>) {
        let all = self.routers.iter().flat_map(|(r, router)| {
            let rules = router.forwarded.iter();
            rules.flat_map(|(f, rules)| rules.keys().map(|id| (*r, *f, *id)))
        });
        let Some((r, f, id)) = all.collect::<Vec<_>>().get(usize::from(which)).copied() else { return };
        let router = self.routers.get_mut(&r).unwrap();
        let rules = router.forwarded.get_mut(&f).unwrap();
        match to {
            Some(port) => {
                let rule = rules.get_mut(&id).unwrap();
                *rule = (port, rule.1 + 1);
                let rule = *rule;
                self.push("updated", r, f, id, rule);
            }
            None => {
                let rule = rules.remove(&id).unwrap();
                if rules.is_empty() {
                    router.forwarded.remove(&f);
                    self.statuses.remove(&f);
                }
                self.push("deleted", r, f, id, rule);
            }
        }
    }

    /// Carries out a call.
    pub(super) fn answer(&mut self, request: &Request) -> Result<Value, Fault> {
        let args = &request.args;
        Ok(match (request.topic, request.method) {
            ("q-l3-plugin", "get_router_ids") => {
                let ours = self.routers.iter().filter(|(_, router)| router.ours);
                ours.map(|(r, _)| json!(router_id(*r))).collect()
            }
            ("q-l3-plugin", "sync_routers") => {
                let ids: Vec<RouterId> = serde_json::from_value(args["router_ids"].clone()).unwrap();
                assert!(!ids.is_empty() && ids.len() <= 256);
                let ours = self.routers.iter().filter(|(_, router)| router.ours && router.up);
                let asked = ours.filter(|(r, _)| ids.contains(&router_id(**r)));
                asked.map(|(r, router)| self.router(*r, router)).collect()
            }
            ("q-l3-plugin", "update_floatingip_statuses") => {
                for (id, status) in args["fip_statuses"].as_object().unwrap() {
                    let f = (0..=255).find(|f| floating_id(*f).to_string() == *id).unwrap();
                    if let Some(old) = self.statuses.get_mut(&f) {
                        status.as_str().unwrap().clone_into(old);
                    }
                }
                Value::Null
            }
            ("q-plugin", "bulk_pull") => {
                let ids: Vec<FloatingIpId> =
                    serde_json::from_value(args["filter_kwargs"]["floatingip_id"].clone()).unwrap();
                assert!(!ids.is_empty());
                let mut all = Vec::new();
                for (r, router) in &self.routers {
                    for (f, rules) in router.forwarded.iter().filter(|(f, _)| ids.contains(&floating_id(**f)))
                    {
                        all.extend(rules.iter().map(|(id, rule)| forwarding(*r, *f, *id, *rule)));
                    }
                }
                Value::Array(all)
            }
            other => panic!("{other:?}"),
        })
    }

    fn router(&self, r: u8, router: &Router) -> Value {
        let legs: Vec<Value> = router.legs.iter().map(|n| self.leg(r, *n)).collect();
        let mut dict = json!({"id": router_id(r), "name": "", "admin_state_up": true, "ha": router.ha, "distributed": false,
            "routes": [], "_interfaces": legs});
        if router.gateway {
            dict["gw_port"] = self.leg(r, OUTSIDE);
        }
        let floating = |f: &u8, fixed: Option<&u8>| {
            json!({"id": floating_id(*f), "floating_ip_address": format!("203.0.113.{f}"),
                "fixed_ip_address": fixed.map(|fixed| format!("10.0.0.{fixed}")), "status": self.statuses[f]})
        };
        let all: Vec<Value> = router.floating.iter().map(|(f, fixed)| floating(f, Some(fixed))).collect();
        dict["_floatingips"] = Value::Array(all);
        if !router.forwarded.is_empty() {
            let all: Vec<Value> = router.forwarded.keys().map(|f| floating(f, None)).collect();
            dict["_pf_floatingips"] = Value::Array(all);
            let ids: Vec<Value> = router.forwarded.keys().map(|f| json!(floating_id(*f))).collect();
            dict["fip_managed_by_port_forwardings"] = Value::Array(ids);
        }
        dict
    }

    fn leg(&self, r: u8, n: u8) -> Value {
        let address =
            json!({"subnet_id": Uuid::from_u128(9), "ip_address": format!("10.{n}.0.1"), "prefixlen": 24});
        json!({"id": port_id(r, n), "network_id": network_id(n), "mac_address": format!("fa:16:3e:00:{r:02x}:{n:02x}"),
            "fixed_ips": [address], "mtu": self.mtu.get(&n).unwrap_or(&1450), "subnets": [], "extra_subnets": []})
    }

    fn push(&mut self, event: &str, r: u8, f: u8, id: u8, rule: (u16, i64)) {
        let list = json!([forwarding(r, f, id, rule)]);
        self.say("push", json!({"event_type": event, "resource_list": list}));
    }

    fn say(&mut self, method: &str, args: Value) {
        let Value::Object(args) = args else { panic!("{args}") };
        self.said.push(Message { topic: "l3_agent".to_owned(), method: method.to_owned(), args });
    }
}

fn forwarding(r: u8, f: u8, id: u8, (port, revision): (u16, i64)) -> Value {
    json!({"versioned_object.name": "PortForwarding", "versioned_object.version": "1.3",
        "versioned_object.namespace": "versionedobjects", "versioned_object.data": {
            "id": forwarding_id(id), "floatingip_id": floating_id(f), "external_port": port, "protocol": "tcp",
            "internal_port": 22, "internal_ip_address": "10.0.0.9", "floating_ip_address": format!("203.0.113.{f}"),
            "router_id": router_id(r), "revision_number": revision}})
}
