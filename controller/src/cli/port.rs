//! `port create|list|show|set|delete`
//!
//! A guest's port (no owner, or one that begins with `compute:`) is bound to the agent's own node
//! unless `--host` or `--no-host` says otherwise.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Kind, Output, insert, pairs, switch};
use crate::client::{Client, ClientError};

const KIND: Kind = Kind {
    singular: "port",
    plural: "ports",
    columns: &["id", "name", "mac_address", "fixed_ips", "device_owner", "binding:host_id", "status"],
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a port
    Create {
        name: String,
        #[arg(long)]
        network: String,
        /// Bind it to no node
        #[arg(long, conflicts_with = "host")]
        no_host: bool,
        /// Give it no address
        #[arg(long, conflicts_with = "fixed_ip")]
        no_fixed_ip: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// List ports
    List {
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        network: Option<String>,
        #[arg(long)]
        router: Option<String>,
        #[arg(long)]
        device_id: Option<String>,
        #[arg(long)]
        device_owner: Option<String>,
        #[arg(long)]
        host: Option<String>,
        #[arg(long)]
        mac_address: Option<String>,
    },
    /// Show a port
    Show { port: String },
    /// Change a port; lists that are given replace those that are there, except DHCP options
    Set {
        port: String,
        #[arg(long)]
        name: Option<String>,
        /// Unbind it
        #[arg(long, conflicts_with = "host")]
        no_host: bool,
        /// Take away all addresses
        #[arg(long, conflicts_with = "fixed_ip")]
        no_fixed_ip: bool,
        /// Take away all allowed addresses
        #[arg(long, conflicts_with = "allowed_address")]
        no_allowed_address: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove ports
    Delete {
        #[arg(required = true)]
        ports: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct Settings {
    #[arg(long)]
    description: Option<String>,
    /// subnet=NAME,ip-address=ADDRESS, either part
    #[arg(long, value_name = "ADDRESS")]
    fixed_ip: Vec<String>,
    #[arg(long)]
    mac_address: Option<String>,
    /// The instance or whatever else uses the port
    #[arg(long)]
    device: Option<String>,
    #[arg(long)]
    device_owner: Option<String>,
    /// The node that has the port
    #[arg(long)]
    host: Option<String>,
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    #[arg(long)]
    disable: bool,
    /// Frames with foreign addresses are dropped
    #[arg(long, conflicts_with = "disable_port_security")]
    enable_port_security: bool,
    #[arg(long)]
    disable_port_security: bool,
    /// ip-address=ADDRESS,mac-address=MAC, the MAC optional
    #[arg(long, value_name = "PAIR")]
    allowed_address: Vec<String>,
    /// name=NAME,value=VALUE,ip-version=4; without a value it is taken away
    #[arg(long, value_name = "OPTION")]
    extra_dhcp_option: Vec<String>,
    /// The host name that DHCP gives out
    #[arg(long)]
    dns_name: Option<String>,
}

impl Settings {
    async fn body(self, client: &Client) -> Result<Map<String, Value>, ClientError> {
        let mut body = Map::new();
        insert(&mut body, "description", self.description);
        if !self.fixed_ip.is_empty() {
            body.insert("fixed_ips".into(), pairs::fixed_ips(client, &self.fixed_ip).await?);
        }
        insert(&mut body, "mac_address", self.mac_address);
        insert(&mut body, "device_id", self.device);
        insert(&mut body, "device_owner", self.device_owner);
        insert(&mut body, "binding:host_id", self.host);
        insert(&mut body, "admin_state_up", switch(self.enable, self.disable));
        let security = switch(self.enable_port_security, self.disable_port_security);
        insert(&mut body, "port_security_enabled", security);
        if !self.allowed_address.is_empty() {
            body.insert("allowed_address_pairs".into(), pairs::address_pairs(&self.allowed_address)?);
        }
        if !self.extra_dhcp_option.is_empty() {
            body.insert("extra_dhcp_opts".into(), pairs::dhcp_options(&self.extra_dhcp_option)?);
        }
        insert(&mut body, "dns_name", self.dns_name);
        Ok(body)
    }
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<Output, ClientError> {
        match self {
            Self::Create { name, network, no_host, no_fixed_ip, settings } => {
                let mut body = settings.body(client).await?;
                let network = client.find_id("network", "networks", &network).await?;
                insert(&mut body, "name", Some(name));
                insert(&mut body, "network_id", Some(network));
                insert(&mut body, "fixed_ips", no_fixed_ip.then(|| json!([])));
                if !no_host && !body.contains_key("binding:host_id") && is_guest(&body) {
                    insert(&mut body, "binding:host_id", local_host(client).await?);
                }
                KIND.create(client, body).await
            }
            Self::List { name, network, router, device_id, device_owner, host, mac_address } => {
                let network = match network {
                    Some(network) => Some(client.find_id("network", "networks", &network).await?),
                    None => None,
                };
                let device = match router {
                    Some(router) => Some(client.find_id("router", "routers", &router).await?),
                    None => device_id,
                };
                let filters = [
                    ("name", name),
                    ("network_id", network),
                    ("device_id", device),
                    ("device_owner", device_owner),
                    ("binding:host_id", host),
                    ("mac_address", mac_address),
                ];
                KIND.list(client, &filters).await
            }
            Self::Show { port } => KIND.show(client, &port).await,
            Self::Set { port, name, no_host, no_fixed_ip, no_allowed_address, settings } => {
                let mut body = settings.body(client).await?;
                insert(&mut body, "name", name);
                insert(&mut body, "binding:host_id", no_host.then_some(""));
                insert(&mut body, "fixed_ips", no_fixed_ip.then(|| json!([])));
                insert(&mut body, "allowed_address_pairs", no_allowed_address.then(|| json!([])));
                KIND.set(client, &port, body).await
            }
            Self::Delete { ports } => KIND.delete(client, &ports).await,
        }
    }
}

fn is_guest(body: &Map<String, Value>) -> bool {
    let owner = body.get("device_owner").and_then(Value::as_str).unwrap_or_default();
    owner.is_empty() || owner.starts_with("compute:")
}

/// The name of the node that the agent runs on.
async fn local_host(client: &Client) -> Result<Option<String>, ClientError> {
    let answer = client.get("/baryon/v1/hosts").await?;
    let hosts = answer.get("hosts").and_then(Value::as_array).into_iter().flatten();
    let mut local = hosts.filter(|host| host.get("local").and_then(Value::as_bool) == Some(true));
    Ok(local.next().and_then(|host| host.get("name")).and_then(Value::as_str).map(str::to_owned))
}
