//! The format of topology files. Names are those of the Neutron API, references are by name.
//!
//! Texts such as addresses are checked where the API checks them; here is checked that the document
//! has the right shape. Whatever is wrong is said with its line.

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::local::fault::Fault;
use crate::local::fields::nearest;

/// The version of the format that this program reads.
const VERSION: u32 = 1;
/// A file of ten thousand ports has about a tenth of this.
const LARGEST_FILE: usize = 32 << 20;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The version of the format: 1.
    pub(super) version: u32,
    /// The node that has ports, routers and DHCP servers that do not say; this one if absent.
    pub(super) default_host: Option<String>,
    #[serde(default)]
    pub(super) hosts: Vec<Spanned<Host>>,
    #[serde(default)]
    pub(super) networks: Vec<Spanned<Network>>,
    #[serde(default)]
    pub(super) routers: Vec<Spanned<Router>>,
    #[serde(default)]
    pub(super) ports: Vec<Spanned<Port>>,
    #[serde(default)]
    pub(super) floatingips: Vec<Spanned<FloatingIp>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) tunnel_ip: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) project_id: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default = "yes")]
    pub(super) admin_state_up: bool,
    #[serde(default)]
    pub(super) shared: bool,
    #[serde(default, rename = "router:external")]
    pub(super) external: bool,
    #[serde(default = "yes")]
    pub(super) port_security_enabled: bool,
    pub(super) mtu: Option<u32>,
    #[serde(rename = "provider:network_type")]
    pub(super) network_type: Option<String>,
    #[serde(rename = "provider:physical_network")]
    pub(super) physical_network: Option<String>,
    #[serde(rename = "provider:segmentation_id")]
    pub(super) segmentation_id: Option<u32>,
    #[serde(rename = "baryon:dhcp_host")]
    pub(super) dhcp_host: Option<String>,
    #[serde(default)]
    pub(super) subnets: Vec<Spanned<Subnet>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subnet {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) project_id: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) cidr: String,
    pub(super) ip_version: Option<u8>,
    /// Absent: the first address of the prefix. Null: none.
    #[serde(default, deserialize_with = "null_or")]
    pub(super) gateway_ip: Option<Option<String>>,
    #[serde(default = "yes")]
    pub(super) enable_dhcp: bool,
    #[serde(default)]
    pub(super) dns_nameservers: Vec<String>,
    #[serde(default)]
    pub(super) host_routes: Vec<Route>,
    pub(super) allocation_pools: Option<Vec<Pool>>,
    pub(super) ipv6_ra_mode: Option<String>,
    pub(super) ipv6_address_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) destination: String,
    pub(super) nexthop: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub(super) start: String,
    pub(super) end: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Router {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) project_id: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default = "yes")]
    pub(super) admin_state_up: bool,
    pub(super) external_gateway_info: Option<Gateway>,
    #[serde(default)]
    pub(super) interfaces: Vec<Interface>,
    #[serde(default)]
    pub(super) routes: Vec<Route>,
    #[serde(rename = "baryon:host")]
    pub(super) host: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) network: String,
    #[serde(default = "yes")]
    pub(super) enable_snat: bool,
    pub(super) external_fixed_ips: Option<Vec<FixedIp>>,
}

/// A router's interface: on a subnet, at its gateway address, or with a port of the file.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Interface {
    Subnet(String),
    Port(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixedIp {
    pub(super) subnet: Option<String>,
    pub(super) ip_address: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) network: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) project_id: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default = "yes")]
    pub(super) admin_state_up: bool,
    pub(super) mac_address: Option<String>,
    pub(super) fixed_ips: Option<Vec<FixedIp>>,
    #[serde(default)]
    pub(super) device_owner: String,
    #[serde(default)]
    pub(super) device_id: String,
    /// Absent: the network's.
    pub(super) port_security_enabled: Option<bool>,
    #[serde(default)]
    pub(super) allowed_address_pairs: Vec<AddressPair>,
    #[serde(default)]
    pub(super) extra_dhcp_opts: Vec<DhcpOption>,
    #[serde(default)]
    pub(super) dns_name: String,
    /// Absent: the default host. Null: none.
    #[serde(default, rename = "binding:host_id", deserialize_with = "null_or")]
    pub(super) host: Option<Option<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressPair {
    pub(super) ip_address: String,
    pub(super) mac_address: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DhcpOption {
    pub(super) opt_name: String,
    pub(super) opt_value: String,
    #[serde(default = "four")]
    pub(super) ip_version: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FloatingIp {
    /// Neutron's floating IPs have no name; a file has to call them something to know them again.
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) project_id: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) floating_network: String,
    pub(super) floating_ip_address: Option<String>,
    pub(super) port: Option<String>,
    pub(super) fixed_ip_address: Option<String>,
}

fn yes() -> bool {
    true
}

fn four() -> u8 {
    4
}

/// Keeps "null" apart from "not there".
fn null_or<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads a file. The refusal names the line.
pub fn parse(text: &str) -> Result<Topology, Fault> {
    if text.len() > LARGEST_FILE {
        return Err(Fault::invalid("topology", format!("it has more than {} MiB", LARGEST_FILE >> 20)));
    }
    let topology: Topology =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| refused(&error))?;
    if topology.version != VERSION {
        return Err(Fault::invalid(
            "version",
            format!("it is {}, this program reads {VERSION}", topology.version),
        ));
    }
    Ok(topology)
}

/// Limits that a honest file does not come near and a hostile one cannot pass.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 4_000_000,
            max_nodes: 2_000_000,
            max_depth: 32,
            max_aliases: 10_000,
            max_anchors: 1_000,
            // Counts lines of comment that follow each other.
            max_buffered_comment_events: 10_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 200_000,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

fn refused(error: &serde_saphyr::Error) -> Fault {
    let error = error.without_snippet();
    let location = error.location();
    let field = match location {
        Some(location) => format!("line {} column {}", location.line(), location.column()),
        None => "topology".to_owned(),
    };
    Fault::Invalid { field, reason: reason(error) }
}

fn reason(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::SerdeUnknownField { field, expected, .. } = error {
        return match nearest(field, expected) {
            Some(meant) => format!("there is no field {field}, perhaps {meant} is meant"),
            None => format!("there is no field {field}, there are {}", expected.join(", ")),
        };
    }
    // The place is said already.
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}
