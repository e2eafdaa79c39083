//! `floatingip create|list|show|set|delete`; a floating IP is named by its id, its address, or the name
//! that a topology file gave it

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{Kind, Output, insert};
use crate::client::{Client, ClientError};

const KIND: Kind = Kind {
    singular: "floatingip",
    plural: "floatingips",
    columns: &[
        "id",
        "baryon:name",
        "floating_ip_address",
        "fixed_ip_address",
        "port_id",
        "router_id",
        "status",
    ],
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a floating IP
    Create {
        /// The external network
        network: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        /// The address; chosen when it is not given
        #[arg(long, value_name = "ADDRESS")]
        floating_ip_address: Option<String>,
        /// The subnet of the address
        #[arg(long)]
        subnet: Option<String>,
        /// Where it leads
        #[arg(long)]
        port: Option<String>,
        /// Which of the port's addresses
        #[arg(long, value_name = "ADDRESS", requires = "port")]
        fixed_ip_address: Option<String>,
    },
    /// List floating IPs
    List {
        #[arg(long)]
        port: Option<String>,
        #[arg(long)]
        router: Option<String>,
    },
    /// Show a floating IP
    Show { floating_ip: String },
    /// Change where a floating IP leads
    Set {
        floating_ip: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        #[arg(long)]
        port: Option<String>,
        /// It leads nowhere
        #[arg(long, conflicts_with = "port")]
        no_port: bool,
        /// Which of the port's addresses
        #[arg(long, value_name = "ADDRESS")]
        fixed_ip_address: Option<String>,
    },
    /// Remove floating IPs
    Delete {
        #[arg(required = true)]
        floating_ips: Vec<String>,
    },
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<Output, ClientError> {
        match self {
            Self::Create {
                network,
                name,
                description,
                floating_ip_address,
                subnet,
                port,
                fixed_ip_address,
            } => {
                let mut body = Map::new();
                let network = client.find_id("network", "networks", &network).await?;
                insert(&mut body, "floating_network_id", Some(network));
                insert(&mut body, "baryon:name", name);
                insert(&mut body, "description", description);
                insert(&mut body, "floating_ip_address", floating_ip_address);
                insert(&mut body, "subnet_id", id(client, "subnet", "subnets", subnet).await?);
                insert(&mut body, "port_id", id(client, "port", "ports", port).await?);
                insert(&mut body, "fixed_ip_address", fixed_ip_address);
                KIND.create(client, body).await
            }
            Self::List { port, router } => {
                let port = id(client, "port", "ports", port).await?;
                let router = id(client, "router", "routers", router).await?;
                KIND.list(client, &[("port_id", port), ("router_id", router)]).await
            }
            Self::Show { floating_ip } => KIND.show(client, &floating_ip).await,
            Self::Set { floating_ip, name, description, port, no_port, fixed_ip_address } => {
                let mut body = Map::new();
                insert(&mut body, "baryon:name", name);
                insert(&mut body, "description", description);
                insert(&mut body, "port_id", id(client, "port", "ports", port).await?);
                insert(&mut body, "port_id", no_port.then_some(Value::Null));
                insert(&mut body, "fixed_ip_address", fixed_ip_address);
                KIND.set(client, &floating_ip, body).await
            }
            Self::Delete { floating_ips } => KIND.delete(client, &floating_ips).await,
        }
    }
}

async fn id(
    client: &Client,
    kind: &'static str,
    collection: &str,
    name: Option<String>,
) -> Result<Option<String>, ClientError> {
    match name {
        Some(name) => client.find_id(kind, collection, &name).await.map(Some),
        None => Ok(None),
    }
}
