//! The pure core as a whole: changes, what they mean for the node, and files, without a disk.

use serde_json::{Value, json};

use super::chance::Chance;
use super::config::Config;
use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::state::{Key, State};
use super::{desired, dhcp_ports, load};

mod desired_tests;
mod properties;
mod rules;
mod topology_tests;

/// The controller without its store.
pub(super) struct Bench {
    config: Config,
    chance: Chance,
    pub(super) state: State,
    desired: model::Desired,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut config = Config::new("node1");
        config.tunnel_ip = Some("192.0.2.1".parse().unwrap());
        config.vlans.insert("physnet1".to_owned(), 100..=101);
        let state = State::default();
        let desired = desired::whole(&state, &config.host);
        Self { config, chance: Chance::new(1), state, desired }
    }

    /// As `Local::change` does it.
    fn change<T>(&mut self, change: impl FnOnce(&mut Draft<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let old = self.state.clone();
        let mut draft = Draft::new(old.clone(), &self.config, &mut self.chance, 1_795_159_586);
        let result = change(&mut draft)?;
        dhcp_ports::settle(&mut draft, &old)?;
        let Draft { state, touched, .. } = draft;
        desired::update(&mut self.desired, &self.config.host, &old, &state, &touched);
        self.state = state;
        Ok(result)
    }

    pub(super) fn network(&mut self, body: Value) -> Result<model::NetworkId, Fault> {
        self.change(|draft| super::networks::create(draft, None, fields(body)))
    }

    pub(super) fn subnet(&mut self, body: Value) -> Result<model::SubnetId, Fault> {
        self.change(|draft| super::subnets::create(draft, None, fields(body)))
    }

    pub(super) fn port(&mut self, body: Value) -> Result<model::PortId, Fault> {
        self.change(|draft| super::ports::create(draft, None, fields(body)))
    }

    pub(super) fn router(&mut self, body: Value) -> Result<model::RouterId, Fault> {
        self.change(|draft| super::routers::create(draft, None, fields(body)))
    }

    fn floating_ip(&mut self, body: Value) -> Result<model::FloatingIpId, Fault> {
        self.change(|draft| super::floating_ips::create(draft, None, fields(body)))
    }

    fn host(&mut self, name: &str, tunnel_ip: &Value) -> Result<(), Fault> {
        let body = json!({"tunnel_ip": tunnel_ip});
        self.change(|draft| super::hosts::put(draft, name.into(), fields(body)))
    }

    pub(super) fn interface(
        &mut self,
        router: model::RouterId,
        subnet: model::SubnetId,
    ) -> Result<model::PortId, Fault> {
        let named = super::interfaces::Named { subnet: Some(subnet), port: None };
        self.change(|draft| super::interfaces::add(draft, router, named))
    }

    /// What has to hold after every change.
    fn check(&self) {
        let whole = desired::whole(&self.state, &self.config.host);
        assert_eq!(model::changes(&self.desired, &whole), Default::default(), "Desired is behind the state");
        assert_eq!(self.desired, whole);
        let records = self.state.keys().filter_map(|key| self.state.get(&key)).collect();
        let loaded = load::state(records).expect("the state hangs together");
        for id in self.state.subnets().keys() {
            assert_eq!(self.state.free(*id), loaded.free(*id), "free addresses of subnet {id}");
        }
        for key in self.state.keys() {
            assert_eq!(self.state.get(&key), loaded.get(&key));
        }
    }

    fn kinds(&self) -> Vec<Key> {
        self.state.keys().collect()
    }
}

fn fields(body: Value) -> Fields {
    Fields::new("body", body).unwrap()
}
