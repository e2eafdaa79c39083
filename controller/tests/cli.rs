//! The commands against a served controller: what is typed, what is printed, what is then so.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::path::PathBuf;

use clap::Parser;
use controller::Local;
use controller::cli::{Command, Output};
use controller::client::ClientError;
use controller::local::Config;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

struct Shell {
    runtime: tokio::runtime::Runtime,
    folder: PathBuf,
}

impl Shell {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("baryon-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (_, _, api) = Local::open(&folder.join("store.redb"), Config::new("node1")).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let socket = folder.join("api.sock");
        let listener = runtime.block_on(async { tokio::net::UnixListener::bind(&socket).unwrap() });
        runtime.spawn(async move { axum::serve(listener, api).await });
        Self { runtime, folder }
    }

    fn run(&self, line: &str) -> Result<Output, ClientError> {
        let line = Line::try_parse_from(["baryon"].into_iter().chain(line.split_whitespace()));
        let line = line.unwrap_or_else(|error| panic!("{error}"));
        self.runtime.block_on(line.command.run(&self.folder.join("api.sock")))
    }

    #[track_caller]
    fn prints(&self, line: &str) -> String {
        self.run(line).unwrap_or_else(|error| panic!("{line}: {error}")).to_string()
    }

    #[track_caller]
    fn value(&self, line: &str, field: &str) -> String {
        let output = self.run(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let value = &output.value()[field];
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_network_is_built_by_hand() {
    let shell = Shell::new("hand");
    shell.prints("network create blue --mtu 1400");
    shell.prints(
        "network create outside --external --provider-network-type flat --provider-physical-network public",
    );
    shell.prints("subnet create blue4 --network blue --subnet-range 10.0.1.0/24 --dns-nameserver 10.0.1.1");
    shell.prints("subnet create out4 --network outside --subnet-range 203.0.113.0/24 --no-dhcp --allocation-pool start=203.0.113.10,end=203.0.113.20");
    let options = "--fixed-ip subnet=blue4,ip-address=10.0.1.50 --extra-dhcp-option name=mtu,value=1300";
    assert_eq!(shell.value(&format!("port create web --network blue {options}"), "binding:host_id"), "node1");
    assert_eq!(shell.value("port create loose --network blue --no-host --no-fixed-ip", "fixed_ips"), "[]");
    let gateway = "--external-gateway outside --fixed-ip ip-address=203.0.113.15 --disable-snat";
    shell.prints(&format!("router create edge {gateway}"));
    shell.prints("router add-subnet edge blue4");
    shell.prints("router set edge --route destination=10.9.0.0/16,gateway=10.0.1.50");
    assert_eq!(
        shell.value("floatingip create outside --port web --name www", "floating_ip_address"),
        "203.0.113.10"
    );
    assert_eq!(shell.value("floatingip show www", "fixed_ip_address"), "10.0.1.50");
    assert_eq!(shell.value("floatingip set 203.0.113.10 --no-port", "port_id"), "null");
    let networks = shell.prints("network list");
    assert!(networks.starts_with("ID "), "{networks}");
    assert_eq!(networks.lines().count(), 3);
    assert_eq!(shell.prints("port list --network blue").lines().count(), 5);
    assert_eq!(shell.value("port set web --disable --no-host", "binding:vif_type"), "unbound");

    let refused = shell.run("router delete edge").unwrap_err();
    assert_eq!(refused.to_string(), "cannot remove router edge");
    assert!(
        std::error::Error::source(&refused).is_some_and(|why| why.to_string().contains("still has ports"))
    );
    shell.prints("router set edge --no-route");
    shell.prints("router remove-subnet edge blue4");
    shell.prints("floatingip delete www");
    shell.prints("router set edge --no-external-gateway");
    shell.prints("router delete edge");
    shell.prints("port delete web loose");
    shell.prints("subnet delete blue4");
    shell.prints("network delete blue outside");
    assert_eq!(shell.prints("port list").lines().count(), 1);
}

#[test]
fn names_have_to_mean_one_thing() {
    let shell = Shell::new("names");
    shell.prints("network create twin");
    shell.prints("network create twin");
    let refused = shell.run("network show twin").unwrap_err();
    assert_eq!(refused.to_string(), "there are 2 networks called twin; give the id");
    assert_eq!(shell.run("network show none").unwrap_err().to_string(), "there is no network none");
    let wrong = shell.run("subnet create s --network none --subnet-range 10.0.0.0/24 --host-route nonsense");
    assert!(matches!(wrong, Err(ClientError::Form { .. })));
}

#[test]
fn files_are_applied_and_hosts_are_kept() {
    let shell = Shell::new("files");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/topology.yaml");
    let shown = shell.prints(&format!("apply -f {example} --dry-run"));
    assert!(
        shown.ends_with("17 to create, 0 to change, 0 to remove (dry run, nothing was changed)\n"),
        "{shown}"
    );
    shell.prints(&format!("apply -f {example}"));
    assert_eq!(shell.prints(&format!("apply -f {example}")), "0 to create, 0 to change, 0 to remove\n");
    let export = shell.folder.join("export.json");
    std::fs::write(&export, shell.prints("export")).unwrap();
    shell.prints("router remove-subnet edge green-v4");
    shell.prints(&format!("import {}", export.display()));
    assert_eq!(shell.prints(&format!("apply -f {example}")), "0 to create, 0 to change, 0 to remove\n");
    shell.prints("host create node2 --tunnel-ip 192.0.2.2");
    assert_eq!(shell.value("host set node2 --tunnel-ip 192.0.2.3", "tunnel_ip"), "192.0.2.3");
    assert_eq!(
        shell.prints("host list"),
        "NAME   TUNNEL IP  LOCAL\nnode1  -          true\nnode2  192.0.2.3  false\n"
    );
    shell.prints("host delete node2");
    assert!(shell.run("host set node2 --tunnel-ip none").is_err());
}
