//! `host create|list|show|set|delete`

use clap::Subcommand;
use serde_json::{Value, json};

use super::Output;
use crate::client::{Client, ClientError, escape};

const PATH: &str = "/baryon/v1/hosts";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a node
    Create {
        name: String,
        /// Where its tunnels end
        #[arg(long)]
        tunnel_ip: Option<String>,
    },
    /// List nodes
    List,
    /// Show a node
    Show { name: String },
    /// Change where a node's tunnels end
    Set {
        name: String,
        /// An address, or `none`
        #[arg(long)]
        tunnel_ip: String,
    },
    /// Forget a node
    Delete { name: String },
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<Output, ClientError> {
        match self {
            Self::Create { name, tunnel_ip } => {
                one(client.post(PATH, &json!({"host": {"name": name, "tunnel_ip": tunnel_ip}})).await?)
            }
            Self::List => {
                let mut answer = client.get(PATH).await?;
                let list = answer.get_mut("hosts").map(Value::take).unwrap_or_default();
                Ok(Output::table(&["name", "tunnel_ip", "local"], list))
            }
            Self::Show { name } => one(client.get(&path(&name)).await?),
            Self::Set { name, tunnel_ip } => {
                // The node has to be there: the API would make it.
                client.get(&path(&name)).await?;
                let tunnel_ip = Some(tunnel_ip).filter(|address| address != "none");
                one(client.put(&path(&name), &json!({"host": {"tunnel_ip": tunnel_ip}})).await?)
            }
            Self::Delete { name } => {
                client.delete(&path(&name)).await?;
                Ok(Output::text(String::new(), Value::Null))
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("{PATH}/{}", escape(name))
}

fn one(mut answer: Value) -> Result<Output, ClientError> {
    Ok(Output::fields(answer.get_mut("host").map(Value::take).unwrap_or_default()))
}
