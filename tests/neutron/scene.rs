//! What every test begins with: a server, the services beside it, and guests on ports of its API.

use serde_json::{Value, json};
use tests::neutron::{Api, Nova, Release, Server, text};
use tests::{DhcpClient, Guest, Node, Plug, Underlay, wait};

pub(crate) struct Cloud {
    pub(crate) underlay: Underlay,
    pub(crate) server: Server,
    pub(crate) nova: Nova,
    pub(crate) api: Api,
}

impl Cloud {
    pub(crate) fn start(release: Release) -> Self {
        let underlay = Underlay::new();
        let server = Server::start(&underlay, release);
        let nova = Nova::start(&underlay);
        let api = server.api();
        Self { underlay, server, nova, api }
    }

    /// A guest of the world outside asks for an address.
    pub(crate) fn await_ping_from_outside(&self, address: &str) {
        let ping = || self.underlay.try_sh(&format!("ping -n -c 1 -W 1 {address}"));
        wait::until(20, &format!("{address} answers to the outside"), ping);
    }
}

/// A port of the API with its guest.
pub(crate) struct Machine<'n> {
    pub(crate) port: Value,
    pub(crate) guest: Guest<'n>,
}

impl<'n> Machine<'n> {
    /// Makes a port, plugs it, and takes a lease, as a machine that boots. The instance has the name.
    #[track_caller]
    pub(crate) fn boot(api: &Api, node: &'n Node, network: &Value, name: &str) -> Self {
        let machine = Self::plug(api, node, network, name);
        machine.arrive(api);
        machine
    }

    #[track_caller]
    pub(crate) fn plug(api: &Api, node: &'n Node, network: &Value, name: &str) -> Self {
        let port = api.port(network, node.name(), &json!({"name": name, "device_id": name}));
        let guest = Guest::plug(node, text(&port, "id"), text(&port, "mac_address"), Plug::Veth);
        Self { port, guest }
    }

    /// What a machine waits for before it runs, and what it does first.
    #[track_caller]
    pub(crate) fn arrive(&self, api: &Api) {
        api.await_active(&self.port, 90);
        // Neutron's own agents may report a port before the way to its DHCP service is there.
        let lease = wait::until(40, "a lease", || DhcpClient::Udhcpc.try_lease(&self.guest));
        assert_eq!(lease.address.to_string(), self.address(), "{}", self.port);
    }

    pub(crate) fn id(&self) -> &str {
        text(&self.port, "id")
    }

    pub(crate) fn address(&self) -> &str {
        text(&self.port["fixed_ips"][0], "ip_address")
    }

    /// Asks the metadata service for a path and gives what it said.
    #[track_caller]
    pub(crate) fn metadata(&self, path: &str) -> String {
        let ask = || self.guest.try_sh(&format!("curl -sSf --max-time 5 http://169.254.169.254{path}"));
        wait::until(20, "metadata", ask)
    }

    /// The machine is deleted: unplugged, and its port gone.
    #[track_caller]
    pub(crate) fn delete(self, api: &Api) {
        let id = self.id().to_owned();
        self.guest.unplug();
        api.delete("port", &id);
    }
}
