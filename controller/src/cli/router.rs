//! `router create|list|show|set|delete`, and its interfaces

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Kind, Output, insert, pairs, switch};
use crate::client::{Client, ClientError};

const KIND: Kind = Kind {
    singular: "router",
    plural: "routers",
    columns: &["id", "name", "admin_state_up", "baryon:host", "external_gateway_info", "routes", "status"],
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a router
    Create {
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// List routers
    List {
        #[arg(long)]
        name: Option<String>,
    },
    /// Show a router
    Show { router: String },
    /// Change a router; routes that are given replace those that are there
    Set {
        router: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, conflicts_with = "external_gateway")]
        no_external_gateway: bool,
        #[arg(long, conflicts_with = "route")]
        no_route: bool,
        /// destination=CIDR,gateway=ADDRESS
        #[arg(long, value_name = "ROUTE")]
        route: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove routers
    Delete {
        #[arg(required = true)]
        routers: Vec<String>,
    },
    /// Connect a router to a subnet, at the subnet's gateway address
    AddSubnet { router: String, subnet: String },
    /// Disconnect a router from a subnet
    RemoveSubnet { router: String, subnet: String },
    /// Connect a router with a port that is there already
    AddPort { router: String, port: String },
    /// Disconnect a router and remove the port
    RemovePort { router: String, port: String },
}

#[derive(Debug, Args)]
pub struct Settings {
    #[arg(long)]
    description: Option<String>,
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    #[arg(long)]
    disable: bool,
    /// The external network
    #[arg(long, value_name = "NETWORK")]
    external_gateway: Option<String>,
    /// An address of the gateway: subnet=NAME,ip-address=ADDRESS, either part
    #[arg(long, value_name = "ADDRESS", requires = "external_gateway")]
    fixed_ip: Vec<String>,
    /// Guests without a floating IP share the gateway's address
    #[arg(long, conflicts_with = "disable_snat", requires = "external_gateway")]
    enable_snat: bool,
    #[arg(long, requires = "external_gateway")]
    disable_snat: bool,
    /// The node that runs the router
    #[arg(long)]
    host: Option<String>,
}

impl Settings {
    async fn body(self, client: &Client) -> Result<Map<String, Value>, ClientError> {
        let mut body = Map::new();
        insert(&mut body, "description", self.description);
        insert(&mut body, "admin_state_up", switch(self.enable, self.disable));
        insert(&mut body, "baryon:host", self.host);
        if let Some(network) = self.external_gateway {
            let mut info = Map::new();
            info.insert("network_id".into(), client.find_id("network", "networks", &network).await?.into());
            insert(&mut info, "enable_snat", switch(self.enable_snat, self.disable_snat));
            if !self.fixed_ip.is_empty() {
                info.insert("external_fixed_ips".into(), pairs::fixed_ips(client, &self.fixed_ip).await?);
            }
            body.insert("external_gateway_info".into(), info.into());
        }
        Ok(body)
    }
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<Output, ClientError> {
        match self {
            Self::Create { name, settings } => {
                let mut body = settings.body(client).await?;
                insert(&mut body, "name", Some(name));
                KIND.create(client, body).await
            }
            Self::List { name } => KIND.list(client, &[("name", name)]).await,
            Self::Show { router } => KIND.show(client, &router).await,
            Self::Set { router, name, no_external_gateway, no_route, route, settings } => {
                let mut body = settings.body(client).await?;
                insert(&mut body, "name", name);
                insert(&mut body, "external_gateway_info", no_external_gateway.then_some(Value::Null));
                insert(&mut body, "routes", no_route.then(|| json!([])));
                if !route.is_empty() {
                    body.insert("routes".into(), pairs::routes(&route)?);
                }
                KIND.set(client, &router, body).await
            }
            Self::Delete { routers } => KIND.delete(client, &routers).await,
            Self::AddSubnet { router, subnet } => connect(client, &router, End::Subnet(&subnet)).await,
            Self::RemoveSubnet { router, subnet } => disconnect(client, &router, End::Subnet(&subnet)).await,
            Self::AddPort { router, port } => connect(client, &router, End::Port(&port)).await,
            Self::RemovePort { router, port } => disconnect(client, &router, End::Port(&port)).await,
        }
    }
}

/// What a router is connected with, by name or id.
#[derive(Clone, Copy)]
enum End<'a> {
    Subnet(&'a str),
    Port(&'a str),
}

impl End<'_> {
    async fn body(self, client: &Client) -> Result<Value, ClientError> {
        Ok(match self {
            Self::Subnet(name) => json!({"subnet_id": client.find_id("subnet", "subnets", name).await?}),
            Self::Port(name) => json!({"port_id": client.find_id("port", "ports", name).await?}),
        })
    }
}

impl std::fmt::Display for End<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Subnet(name) => write!(f, "subnet {name}"),
            Self::Port(name) => write!(f, "port {name}"),
        }
    }
}

async fn connect(client: &Client, router: &str, end: End<'_>) -> Result<Output, ClientError> {
    let answer = act(client, router, "add_router_interface", end).await;
    answer.map_err(|error| error.of(format!("connect router {router} with {end}")))
}

async fn disconnect(client: &Client, router: &str, end: End<'_>) -> Result<Output, ClientError> {
    let answer = act(client, router, "remove_router_interface", end).await;
    answer.map_err(|error| error.of(format!("disconnect router {router} from {end}")))
}

async fn act(client: &Client, router: &str, action: &str, end: End<'_>) -> Result<Output, ClientError> {
    let body = end.body(client).await?;
    let path = KIND.path(client, router).await?;
    Ok(Output::fields(client.put(&format!("{path}/{action}"), &body).await?))
}
