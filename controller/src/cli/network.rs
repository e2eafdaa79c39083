//! `network create|list|show|set|delete`

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::{Kind, Output, insert, switch};
use crate::client::{Client, ClientError};

const KIND: Kind = Kind {
    singular: "network",
    plural: "networks",
    columns: &[
        "id",
        "name",
        "provider:network_type",
        "provider:physical_network",
        "provider:segmentation_id",
        "mtu",
        "router:external",
        "admin_state_up",
    ],
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a network
    Create {
        name: String,
        #[command(flatten)]
        settings: Settings,
        /// local, flat, vlan, vxlan, geneve or gre
        #[arg(long)]
        provider_network_type: Option<String>,
        /// The physical network of a flat or VLAN network
        #[arg(long)]
        provider_physical_network: Option<String>,
        /// VLAN id, VNI or GRE key
        #[arg(long)]
        provider_segment: Option<u32>,
    },
    /// List networks
    List {
        #[arg(long)]
        name: Option<String>,
        /// Only those that lead outside
        #[arg(long)]
        external: bool,
    },
    /// Show a network
    Show { network: String },
    /// Change a network
    Set {
        network: String,
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove networks
    Delete {
        #[arg(required = true)]
        networks: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct Settings {
    #[arg(long)]
    description: Option<String>,
    /// Largest IP packet in bytes
    #[arg(long)]
    mtu: Option<u32>,
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    #[arg(long)]
    disable: bool,
    /// It leads outside and can be a router's gateway
    #[arg(long, conflicts_with = "internal")]
    external: bool,
    #[arg(long)]
    internal: bool,
    #[arg(long, conflicts_with = "no_share")]
    share: bool,
    #[arg(long)]
    no_share: bool,
    /// New ports drop frames with foreign addresses
    #[arg(long, conflicts_with = "disable_port_security")]
    enable_port_security: bool,
    #[arg(long)]
    disable_port_security: bool,
    /// The node that serves DHCP
    #[arg(long)]
    dhcp_host: Option<String>,
}

impl Settings {
    fn body(self) -> Map<String, Value> {
        let mut body = Map::new();
        insert(&mut body, "description", self.description);
        insert(&mut body, "mtu", self.mtu);
        insert(&mut body, "admin_state_up", switch(self.enable, self.disable));
        insert(&mut body, "router:external", switch(self.external, self.internal));
        insert(&mut body, "shared", switch(self.share, self.no_share));
        let security = switch(self.enable_port_security, self.disable_port_security);
        insert(&mut body, "port_security_enabled", security);
        insert(&mut body, "baryon:dhcp_host", self.dhcp_host);
        body
    }
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<Output, ClientError> {
        match self {
            Self::Create {
                name,
                settings,
                provider_network_type,
                provider_physical_network,
                provider_segment,
            } => {
                let mut body = settings.body();
                insert(&mut body, "name", Some(name));
                insert(&mut body, "provider:network_type", provider_network_type);
                insert(&mut body, "provider:physical_network", provider_physical_network);
                insert(&mut body, "provider:segmentation_id", provider_segment);
                KIND.create(client, body).await
            }
            Self::List { name, external } => {
                let external = external.then(|| "true".to_owned());
                KIND.list(client, &[("name", name), ("router:external", external)]).await
            }
            Self::Show { network } => KIND.show(client, &network).await,
            Self::Set { network, name, settings } => {
                let mut body = settings.body();
                insert(&mut body, "name", name);
                KIND.set(client, &network, body).await
            }
            Self::Delete { networks } => KIND.delete(client, &networks).await,
        }
    }
}
