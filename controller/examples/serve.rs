//! Serves the embedded controller's API without an agent: `serve STORE ADDRESS`, where the address is
//! `127.0.0.1:9696` or the path of a unix socket. For trying clients and for the tests of durability.

use std::path::Path;

use anyhow::Context;
use controller::Local;
use controller::local::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let store = arguments.next().context("the first argument is the store's path")?;
    let address = arguments.next().context("the second argument is an address or a socket's path")?;
    let mut config = Config::new("node1");
    config.tunnel_ip = Some("192.0.2.1".parse()?);
    config.vlans.insert("physnet1".to_owned(), 100..=199);
    let (_local, _desired, api) = Local::open(Path::new(&store), config)?;
    if address.starts_with('/') {
        axum::serve(tokio::net::UnixListener::bind(&address)?, api).await?;
    } else {
        axum::serve(tokio::net::TcpListener::bind(&address).await?, api).await?;
    }
    Ok(())
}
