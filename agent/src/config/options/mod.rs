//! Every option that is used: its place, its name, its default and what it is for, in a file per agent
//! that has it. Names, places and defaults are Neutron's where Neutron has the option; `[local]` and
//! `[baryon]` are ours. Options that Neutron has and that are not used here are in `catalogue`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use controller::local as embedded;
use model::{HostName, Role};

use super::values::{Name, Values};

/// An option by its place, with a sentence for `baryon config`.
macro_rules! option {
    ($section:literal, $option:literal, $help:literal) => {
        crate::config::values::Name { section: $section, option: $option, help: $help, secret: false }
    };
}

/// The same for an option whose value is nobody's business.
macro_rules! secret {
    ($section:literal, $option:literal, $help:literal) => {
        crate::config::values::Name { section: $section, option: $option, help: $help, secret: true }
    };
}

mod dhcp;
mod dnsmasq;
mod extensions;
mod local;
mod log;
mod messaging;
mod metadata;
mod neutron;
mod resources;
pub(crate) mod roles;
mod router;
mod security;
mod switch;

pub(crate) use local::ApiConfig;
pub(crate) use log::{LogConfig, LogFormat};
use roles::DriverName;

/// The checked configuration of a node.
#[derive(Debug, Clone)]
pub(crate) struct NodeConfig {
    pub(crate) host: HostName,
    /// The agents that this process stands in for. Never empty.
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) driver: DriverChoice,
    pub(crate) log: LogConfig,
    pub(crate) api: ApiConfig,
    /// Folder of everything that is kept; Neutron's own layout inside when a server drives.
    pub(crate) state_path: PathBuf,
    /// How often everything is looked at although nothing seems to have changed.
    pub(crate) audit_every: Duration,
    pub(crate) switch: ovs::Config,
    pub(crate) dhcp: ::dhcp::Config,
    pub(crate) router: ::router::Config,
    pub(crate) metadata: ::metadata::Config,
    /// Whether the routers go when this process ends.
    pub(crate) cleanup_on_shutdown: bool,
    /// Where this process is the metadata agent for others.
    pub(crate) metadata_socket: Option<::metadata::AgentSocket>,
}

/// What tells the node what should exist.
#[derive(Debug, Clone)]
pub(crate) enum DriverChoice {
    Local(LocalConfig),
    /// A neutron-server.
    Neutron(Box<controller::neutron::Settings>),
}

/// The embedded controller.
#[derive(Debug, Clone)]
pub(crate) struct LocalConfig {
    /// Where it keeps its state.
    pub(crate) store: PathBuf,
    pub(crate) controller: embedded::Config,
}

/// Takes every option out of what was written. Wrong values are collected there, not returned.
pub(crate) fn node(values: &mut Values) -> NodeConfig {
    let host = HostName(values.get(
        option!("DEFAULT", "host", "name of this node, as ports are bound to it"),
        nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into()),
    ));
    let driver = roles::driver(values);
    let roles = roles::roles(values);
    let usual_state = match driver {
        DriverName::Local => "/var/lib/baryon",
        DriverName::Neutron => "/var/lib/neutron",
    };
    let state_path =
        PathBuf::from(values.get(
            option!("DEFAULT", "state_path", "folder of everything that is kept"),
            usual_state.to_owned(),
        ));
    security::check(values, &roles);
    if roles.contains(&Role::Dhcp) {
        dnsmasq::check(values);
    } else {
        values.know(dnsmasq::check);
    }
    let switch = switch::switch(values, &host, &roles);
    let local = |values: &mut Values| LocalConfig {
        store: state_path.join("controller.redb"),
        controller: local::local(values, &host, &switch),
    };
    let neutron = |values: &mut Values| neutron::neutron(values, &host, &roles, &switch, &state_path);
    let choice = match driver {
        DriverName::Local => {
            values.know(|values| _ = neutron(values));
            DriverChoice::Local(local(values))
        }
        DriverName::Neutron => {
            values.know(|values| _ = local(values));
            DriverChoice::Neutron(Box::new(neutron(values)))
        }
    };
    let dhcp =
        dhcp::dhcp(values, &host, &switch, (driver == DriverName::Neutron).then(|| state_path.clone()));
    let router = router::router(values, &host);
    let metadata_socket = metadata::socket(values, &state_path);
    let for_others = driver == DriverName::Neutron && roles.contains(&Role::Metadata);
    let metadata_socket = Some(metadata_socket).filter(|_| for_others);
    NodeConfig {
        log: log::log(values, program(&roles)),
        api: local::api(values, &roles),
        audit_every: Duration::from_secs(
            values.get(option!("local", "audit_interval", "seconds between two looks at everything"), 300),
        ),
        metadata: metadata::metadata(values, &host, &roles, &dhcp, &router, &state_path),
        metadata_socket,
        cleanup_on_shutdown: values
            .flag(option!("DEFAULT", "cleanup_on_shutdown", "take the routers away at the end"), false),
        dhcp,
        router,
        driver: choice,
        roles,
        state_path,
        switch,
        host,
    }
}

/// What the process is called.
fn program(roles: &BTreeSet<Role>) -> &'static str {
    match roles.first() {
        Some(role) if roles.len() == 1 => roles::binary(*role),
        _ => "baryon",
    }
}

fn seconds(values: &mut Values, name: Name, usual: Duration) -> Duration {
    Duration::from_secs(values.get(name, usual.as_secs()))
}

/// Seconds with a fraction; a day at most, because no such wait is meant to be longer.
fn float_seconds(values: &mut Values, name: Name, usual: f64) -> Duration {
    let written: f64 = values.get(name, usual);
    match Duration::try_from_secs_f64(written) {
        Ok(duration) if duration <= Duration::from_secs(86_400) => duration,
        _ => {
            values.refuse(name, &written.to_string(), "not 0 to 86400 seconds");
            Duration::from_secs_f64(usual)
        }
    }
}

/// `key:value`, one entry of an oslo.config dictionary.
struct Pair<V> {
    key: String,
    value: V,
}

impl FromStr for Pair<String> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err("not of the form key:value"),
        }
    }
}
