//! `subnet create|list|show|set|delete`

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Kind, Output, insert, pairs, switch};
use crate::client::{Client, ClientError};

const KIND: Kind = Kind {
    singular: "subnet",
    plural: "subnets",
    columns: &["id", "name", "network_id", "cidr", "gateway_ip", "enable_dhcp", "allocation_pools"],
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a subnet
    Create {
        name: String,
        #[arg(long)]
        network: String,
        /// The prefix, such as 10.0.0.0/24
        #[arg(long, value_name = "CIDR")]
        subnet_range: String,
        #[arg(long)]
        ipv6_ra_mode: Option<String>,
        #[arg(long)]
        ipv6_address_mode: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// List subnets
    List {
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        network: Option<String>,
    },
    /// Show a subnet
    Show { subnet: String },
    /// Change a subnet; lists that are given replace those that are there
    Set {
        subnet: String,
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove subnets
    Delete {
        #[arg(required = true)]
        subnets: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct Settings {
    #[arg(long)]
    description: Option<String>,
    /// The gateway's address, or `none`
    #[arg(long)]
    gateway: Option<String>,
    #[arg(long, conflicts_with = "no_dhcp")]
    dhcp: bool,
    #[arg(long)]
    no_dhcp: bool,
    #[arg(long, value_name = "ADDRESS")]
    dns_nameserver: Vec<String>,
    /// start=ADDRESS,end=ADDRESS
    #[arg(long, value_name = "POOL")]
    allocation_pool: Vec<String>,
    /// destination=CIDR,gateway=ADDRESS
    #[arg(long, value_name = "ROUTE")]
    host_route: Vec<String>,
}

impl Settings {
    fn body(self) -> Result<Map<String, Value>, ClientError> {
        let mut body = Map::new();
        insert(&mut body, "description", self.description);
        match self.gateway.as_deref() {
            None | Some("auto") => {}
            Some("none") => _ = body.insert("gateway_ip".into(), Value::Null),
            Some(address) => _ = body.insert("gateway_ip".into(), json!(address)),
        }
        insert(&mut body, "enable_dhcp", switch(self.dhcp, self.no_dhcp));
        if !self.dns_nameserver.is_empty() {
            body.insert("dns_nameservers".into(), json!(self.dns_nameserver));
        }
        if !self.allocation_pool.is_empty() {
            body.insert("allocation_pools".into(), pairs::pools(&self.allocation_pool)?);
        }
        if !self.host_route.is_empty() {
            body.insert("host_routes".into(), pairs::routes(&self.host_route)?);
        }
        Ok(body)
    }
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<Output, ClientError> {
        match self {
            Self::Create { name, network, subnet_range, ipv6_ra_mode, ipv6_address_mode, settings } => {
                let mut body = settings.body()?;
                let network = client.find_id("network", "networks", &network).await?;
                insert(&mut body, "name", Some(name));
                insert(&mut body, "network_id", Some(network));
                insert(&mut body, "cidr", Some(subnet_range));
                insert(&mut body, "ipv6_ra_mode", ipv6_ra_mode);
                insert(&mut body, "ipv6_address_mode", ipv6_address_mode);
                KIND.create(client, body).await
            }
            Self::List { name, network } => {
                let network = match network {
                    Some(network) => Some(client.find_id("network", "networks", &network).await?),
                    None => None,
                };
                KIND.list(client, &[("name", name), ("network_id", network)]).await
            }
            Self::Show { subnet } => KIND.show(client, &subnet).await,
            Self::Set { subnet, name, settings } => {
                let mut body = settings.body()?;
                insert(&mut body, "name", name);
                KIND.set(client, &subnet, body).await
            }
            Self::Delete { subnets } => KIND.delete(client, &subnets).await,
        }
    }
}
