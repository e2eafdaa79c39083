//! What an operator has in /etc/neutron of a node: one set of files, for Neutron's agents and for Baryon.

use crate::neutron::Server;
use crate::{Baryon, Node};

/// `metadata_proxy_shared_secret`
pub const SECRET: &str = "not a secret";

/// Folder of the files in the node.
const ETC: &str = "/run/neutron";
/// `state_path`
pub(super) const STATE: &str = "/run/neutron/state";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firewall {
    /// No security groups, no protection against wrong addresses.
    Noop,
    OpenVswitch,
}

/// What is worth changing in the files.
#[derive(Debug, Clone)]
pub struct Options {
    /// `[agent] tunnel_types`; empty for a node without tunnels.
    pub tunnel_types: String,
    /// `[agent] l2_population`
    pub l2_population: bool,
    /// `enable_isolated_metadata`
    pub isolated_metadata: bool,
    /// `firewall_driver`
    pub firewall: Firewall,
    /// `debug`
    pub debug: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tunnel_types: "vxlan".to_owned(),
            l2_population: true,
            isolated_metadata: true,
            firewall: Firewall::Noop,
            debug: true,
        }
    }
}

/// A node with its files, where agents may be started.
#[derive(Debug, Clone, Copy)]
pub struct Host<'n> {
    pub(super) node: &'n Node,
}

impl<'n> Host<'n> {
    /// Writes the files.
    #[track_caller]
    #[must_use]
    pub fn prepare(node: &'n Node, server: &Server, options: &Options) -> Self {
        let host = Self { node };
        node.write(&format!("{ETC}/neutron.conf"), &neutron(node, server, options));
        node.write(&format!("{ETC}/openvswitch_agent.ini"), &openvswitch(node, options));
        node.write(&format!("{ETC}/dhcp_agent.ini"), &dhcp(options));
        node.write(&format!("{ETC}/l3_agent.ini"), L3);
        node.write(&format!("{ETC}/metadata_agent.ini"), &metadata());
        node.sh(&format!("mkdir -p {STATE}/lock /run/neutron/log"));
        host
    }

    /// The name by which the server knows the node.
    #[must_use]
    pub fn name(&self) -> &'n str {
        self.node.name()
    }

    /// The option `--config-file` for some of the files, by their names without ending.
    pub(super) fn files(names: &[&str]) -> String {
        names.iter().map(|name| format!(" --config-file {ETC}/{}", file_name(name))).collect()
    }

    /// Starts Baryon as some of the agents: `l2`, `dhcp`, `l3`, `metadata`.
    #[track_caller]
    #[must_use]
    pub fn start_baryon_as(&self, roles: &str) -> Baryon<'n> {
        self.node.write(&format!("{ETC}/roles.conf"), &format!("[baryon]\nroles = {roles}\n"));
        let files =
            Self::files(&["neutron", "openvswitch_agent", "dhcp_agent", "l3_agent", "metadata_agent"]);
        Baryon::start_with(self.node, &format!("{files} --config-file {ETC}/roles.conf"))
    }

    /// What `baryon takeover --check` says of the node, with all the files.
    #[must_use]
    pub fn check_takeover(&self) -> String {
        self.ask_takeover("")
    }

    /// The same for programs.
    #[must_use]
    pub fn check_takeover_json(&self) -> serde_json::Value {
        let said = self.ask_takeover(" --json");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    fn ask_takeover(&self, option: &str) -> String {
        let files =
            Self::files(&["neutron", "openvswitch_agent", "dhcp_agent", "l3_agent", "metadata_agent"]);
        let program = crate::baryon::binary();
        // It ends with 1 when something would change, which is no failure here.
        self.node.sh(&format!("{} takeover --check{option}{files} || true", program.display()))
    }

    /// Starts Baryon with all the files, as a package would.
    #[track_caller]
    #[must_use]
    pub fn start_baryon(&self) -> Baryon<'n> {
        let files =
            Self::files(&["neutron", "openvswitch_agent", "dhcp_agent", "l3_agent", "metadata_agent"]);
        Baryon::start_with(self.node, &files)
    }
}

fn file_name(name: &str) -> String {
    format!("{name}.{}", if name == "neutron" { "conf" } else { "ini" })
}

fn neutron(node: &Node, server: &Server, options: &Options) -> String {
    let venv = server.release().folder();
    let venv = venv.display();
    // The rootwrap files are those of the virtual environment, which the programs do not find by themselves.
    node.write(
        &format!("{ETC}/rootwrap.conf"),
        &format!(
            "[DEFAULT]\nfilters_path={venv}/etc/neutron/rootwrap.d\n\
             exec_dirs={venv}/bin,/sbin,/usr/sbin,/bin,/usr/bin,/usr/local/bin,/usr/local/sbin\n"
        ),
    );
    format!(
        "[DEFAULT]\nhost = {host}\ndebug = {debug}\nstate_path = {STATE}\ntransport_url = {url}\n\
         interface_driver = openvswitch\ndns_domain = cloud.example.\n\
         [agent]\nroot_helper = env\nroot_helper_daemon = neutron-rootwrap-daemon {ETC}/rootwrap.conf\n\
         [oslo_concurrency]\nlock_path = $state_path/lock\n\
         [oslo_messaging_rabbit]\nrabbit_quorum_queue = false\nheartbeat_in_pthread = true\n",
        host = node.name(),
        debug = options.debug,
        url = server.transport_url(),
    )
}

fn openvswitch(node: &Node, options: &Options) -> String {
    let firewall = match options.firewall {
        Firewall::Noop => "firewall_driver = noop\nenable_security_group = false",
        Firewall::OpenVswitch => "firewall_driver = openvswitch\nenable_security_group = true",
    };
    let tunnels = if options.tunnel_types.is_empty() {
        "[agent]\n".to_owned()
    } else {
        format!(
            "local_ip = {}\n[agent]\ntunnel_types = {}\nl2_population = {on}\narp_responder = {on}\n",
            node.tunnel_address(),
            options.tunnel_types,
            on = options.l2_population,
        )
    };
    format!(
        "[ovs]\nbridge_mappings = public:br-ex\ndatapath_type = {}\novsdb_connection = tcp:127.0.0.1:6640\n\
         {tunnels}extensions = qos\n[securitygroup]\n{firewall}\n",
        node.datapath().name()
    )
}

fn dhcp(options: &Options) -> String {
    format!(
        "[DEFAULT]\ndhcp_driver = neutron.agent.linux.dhcp.Dnsmasq\nenable_isolated_metadata = {}\n\
         [ovs]\novsdb_connection = tcp:127.0.0.1:6640\n",
        options.isolated_metadata
    )
}

const L3: &str = "[DEFAULT]\nagent_mode = legacy\n[agent]\nextensions = port_forwarding\n\
                  [ovs]\novsdb_connection = tcp:127.0.0.1:6640\n";

fn metadata() -> String {
    format!(
        "[DEFAULT]\nnova_metadata_host = {}\nmetadata_proxy_shared_secret = {SECRET}\nmetadata_workers = 1\n",
        super::nova::ADDRESS
    )
}
