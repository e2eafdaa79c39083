//! The commands that change and show what the embedded controller keeps: `network`, `subnet`, `port`,
//! `router`, `floatingip`, `host`, `apply`, `export`, `import`. Options are named as those of the
//! `openstack` client.
//!
//! Nothing is decided here: every command is a request or two to the API, and the answer is printed.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value};

use crate::client::{Client, ClientError, escape};

mod floating_ip;
mod host;
mod network;
mod output;
mod pairs;
mod port;
mod router;
mod subnet;

pub use output::Output;

/// A command for the embedded controller.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Networks: broadcast domains
    #[command(subcommand)]
    Network(network::Command),
    /// Subnets: address ranges on networks
    #[command(subcommand)]
    Subnet(subnet::Command),
    /// Ports: MAC addresses on networks
    #[command(subcommand)]
    Port(port::Command),
    /// Routers between subnets, and to the outside
    #[command(subcommand)]
    Router(router::Command),
    /// Floating IPs: outside addresses that lead to ports
    #[command(subcommand, name = "floatingip", visible_alias = "floating-ip")]
    FloatingIp(floating_ip::Command),
    /// Hosts: the nodes that tunnels lead to
    #[command(subcommand)]
    Host(host::Command),
    /// Make everything as a topology file says
    Apply(Apply),
    /// Print everything as JSON
    Export,
    /// Replace everything by what `export` printed
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Apply {
    /// The topology file; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Show the difference and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Command {
    /// Runs the command against the agent at a unix socket.
    pub async fn run(self, socket: &Path) -> Result<Output, ClientError> {
        let client = Client::new(socket);
        match self {
            Self::Network(command) => command.run(&client).await,
            Self::Subnet(command) => command.run(&client).await,
            Self::Port(command) => command.run(&client).await,
            Self::Router(command) => command.run(&client).await,
            Self::FloatingIp(command) => command.run(&client).await,
            Self::Host(command) => command.run(&client).await,
            Self::Apply(apply) => apply.run(&client).await,
            Self::Export => Ok(Output::json(client.get("/baryon/v1/export").await?)),
            Self::Import { file } => {
                let body = read(&file)?;
                Ok(Output::json(client.send(Method::POST, "/baryon/v1/import", body).await?))
            }
        }
    }
}

impl Apply {
    async fn run(self, client: &Client) -> Result<Output, ClientError> {
        let dry_run = if self.dry_run { "?dry_run=true" } else { "" };
        let file = read(&self.file)?;
        let answer = client.send(Method::PUT, &format!("/baryon/v1/topology{dry_run}"), file).await?;
        let part = |name| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let note = if self.dry_run { " (dry run, nothing was changed)" } else { "" };
        let text = format!("{}{}{note}\n", part("text"), part("summary"));
        Ok(Output::text(text, answer))
    }
}

fn read(path: &Path) -> Result<String, ClientError> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|source| ClientError::File { path: path.to_owned(), source })
}

/// One of the API's collections, and the columns that its list shows.
struct Kind {
    singular: &'static str,
    plural: &'static str,
    columns: &'static [&'static str],
}

impl Kind {
    async fn create(&self, client: &Client, body: Map<String, Value>) -> Result<Output, ClientError> {
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let deed = format!("make {} {name}", self.singular).trim_end().to_owned();
        let answer = client.post(&format!("/v2.0/{}", self.plural), &self.wrap(body)).await;
        Ok(self.one(answer.map_err(|error| error.of(deed))?))
    }

    async fn list(&self, client: &Client, filters: &[(&str, Option<String>)]) -> Result<Output, ClientError> {
        let given = filters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let query: Vec<_> = given.map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let mut answer = client.get(&format!("/v2.0/{}?{}", self.plural, query.join("&"))).await?;
        let list = answer.get_mut(self.plural).map(Value::take).unwrap_or_default();
        Ok(Output::table(self.columns, list))
    }

    async fn show(&self, client: &Client, name: &str) -> Result<Output, ClientError> {
        Ok(Output::fields(client.find(self.singular, self.plural, name).await?))
    }

    async fn set(
        &self,
        client: &Client,
        name: &str,
        body: Map<String, Value>,
    ) -> Result<Output, ClientError> {
        let path = self.path(client, name).await?;
        let answer = client.put(&path, &self.wrap(body)).await;
        Ok(self.one(answer.map_err(|error| error.of(format!("change {} {name}", self.singular)))?))
    }

    /// All names have to mean something before the first thing is removed.
    async fn delete(&self, client: &Client, names: &[String]) -> Result<Output, ClientError> {
        let mut paths = Vec::new();
        for name in names {
            paths.push((name, self.path(client, name).await?));
        }
        for (name, path) in paths {
            let answer = client.delete(&path).await;
            answer.map_err(|error| error.of(format!("remove {} {name}", self.singular)))?;
        }
        Ok(Output::text(String::new(), Value::Null))
    }

    async fn path(&self, client: &Client, name: &str) -> Result<String, ClientError> {
        let id = client.find_id(self.singular, self.plural, name).await?;
        Ok(format!("/v2.0/{}/{id}", self.plural))
    }

    fn wrap(&self, body: Map<String, Value>) -> Value {
        let mut whole = Map::new();
        whole.insert(self.singular.to_owned(), Value::Object(body));
        Value::Object(whole)
    }

    fn one(&self, mut answer: Value) -> Output {
        Output::fields(answer.get_mut(self.singular).map(Value::take).unwrap_or_default())
    }
}

/// Puts a field into a body when it was given.
fn insert(body: &mut Map<String, Value>, name: &str, given: Option<impl Into<Value>>) {
    if let Some(given) = given {
        body.insert(name.to_owned(), given.into());
    }
}

/// A pair of options that say yes and no.
fn switch(yes: bool, no: bool) -> Option<bool> {
    match (yes, no) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}
