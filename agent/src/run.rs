//! `baryon run`: puts the parts together and keeps them running. Nothing is decided here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use controller::Driver;
use host::Handles;
use host::monitor::{HostEvent, Monitor};
use model::{Pass, Role, SwitchFacts};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::config::{self, ApiConfig, NodeConfig, Request, roles};
use crate::domains::Domains;
use crate::driver::{self, Open};
use crate::engine::Engine;
use crate::event::Event;
use crate::lookup::Asker;
use crate::{api, log, rotation, signal};

/// Runs the agent until it is told to stop.
pub(crate) async fn run(request: &Request) -> anyhow::Result<()> {
    let loaded = config::load(request)?;
    let node = loaded.node;
    // Dropped after everything that logs.
    let log = log::start(&node.log)?;
    let level = log.level();
    let roles: Vec<&str> = node.roles.iter().map(|role| roles::name(*role)).collect();
    info!(host = %node.host, roles = roles.join(","), version = env!("CARGO_PKG_VERSION"), "starting");
    loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
    if !loaded.without_effect.is_empty() {
        let options = loaded.without_effect.len();
        info!(
            options,
            "options of Neutron's that have no effect here; baryon config names them, with reasons"
        );
    }

    if let Some(file) = node.log.file.clone().filter(|_| node.log.watch) {
        tokio::spawn(rotation::watch(file, log.level()));
    }
    let (events, inbox) = mpsc::unbounded_channel();
    let request = request.clone();
    signal::watch(events.clone(), move || reload(&request, &level)).context("cannot listen to signals")?;
    raise_file_limit();
    let handles = Handles::open().await.context("cannot talk to the kernel")?;
    // Before the first look, so that nothing is missed between the two.
    let monitor = Monitor::open(&handles).await;
    let asker = Asker::default();
    let domains = domains(&node, &events, &handles, &asker)?;
    let Open { driver, desired, routes } = driver::open(&node, facts(&domains))?;
    asker.ask(driver.clone());
    if let (Some(metadata), Some(socket)) = (&domains.metadata, node.metadata_socket.clone()) {
        metadata.serve_agents(socket);
    }
    let (reports, reported) = mpsc::unbounded_channel();
    let mut engine = Engine::new(domains, node.host.clone(), node.audit_every, desired, inbox, reports);

    serve(&node.api, routes.merge(api::routes(events.clone()))).await?;
    tokio::spawn(watch_host(handles, monitor, events));
    tokio::spawn(pass_on_reports(driver.clone(), reported));
    engine.run(ready()).await;
    if node.cleanup_on_shutdown {
        engine.take_routers_away().await;
    }
    driver.close().await;
    // The socket is left: the next agent takes its place, and removing it could hit that one's.
    Ok(())
}

/// The parts of the node that belong to the roles. DHCP and routers have ports on the switch, whoever
/// sees to the rest of it.
pub(crate) fn domains(
    node: &NodeConfig,
    events: &mpsc::UnboundedSender<Event>,
    handles: &Handles,
    asker: &Asker,
) -> anyhow::Result<Domains> {
    let has = |role| node.roles.contains(&role);
    let wake = || {
        let events = events.clone();
        // Wakes that come after the end have nobody to wake.
        move |scope| _ = events.send(Event::Switch(scope))
    };
    let switch = || ovs::Switch::new(node.switch.clone(), wake());
    let lookup = Arc::new(asker.clone());
    let metadata = || metadata::Metadata::new(node.metadata.clone(), handles.clone(), lookup, wake());
    let plugs = has(Role::L2) || has(Role::Dhcp) || has(Role::L3);
    let serves_metadata = has(Role::Metadata) || has(Role::Dhcp) || has(Role::L3);
    Ok(Domains {
        roles: node.roles.clone(),
        switch: plugs.then(switch).transpose()?,
        dhcp: has(Role::Dhcp).then(|| dhcp::Dhcp::new(node.dhcp.clone(), handles.clone())),
        routers: has(Role::L3).then(|| router::Routers::new(node.router.clone(), handles.clone())),
        metadata: serves_metadata.then(metadata),
        handles: handles.clone(),
    })
}

/// What there is to tell of the switch; nothing where none is looked at.
pub(crate) fn facts(domains: &Domains) -> watch::Receiver<SwitchFacts> {
    match &domains.switch {
        Some(switch) => switch.facts(),
        None => watch::channel(SwitchFacts::default()).1,
    }
}

/// Opens the unix socket and the loopback listener, and serves them in the background.
async fn serve(config: &ApiConfig, api: axum::Router) -> anyhow::Result<()> {
    let unix = unix_listener(&config.socket)
        .with_context(|| format!("cannot listen on the socket {}", config.socket.display()))?;
    let socket: PathBuf = config.socket.clone();
    let for_unix = api.clone();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(unix, for_unix).await {
            error!(socket = %socket.display(), %error, "the API ended; the node is still kept as wanted");
        }
    });
    if let Some(address) = config.listen {
        let tcp = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} ([local] listen)"))?;
        tokio::spawn(async move {
            if let Err(error) = axum::serve(tcp, api).await {
                error!(%address, %error, "the API ended; the node is still kept as wanted");
            }
        });
    }
    Ok(())
}

fn unix_listener(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A socket that somebody answers on belongs to a running agent; one that nobody does is left over.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        let taken = "another agent answers on it";
        return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, taken));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Tells the engine of devices and namespaces. When the kernel's messages end they are asked for again,
/// and everything is looked at because of what was missed.
async fn watch_host(
    handles: Handles,
    mut monitor: host::Result<Monitor>,
    events: mpsc::UnboundedSender<Event>,
) {
    const PAUSE: Duration = Duration::from_secs(1);
    while let Err(error) = pass_on_changes(monitor, &handles, &events).await {
        warn!(%error, "changes of the kernel are not heard of; trying again");
        tokio::time::sleep(PAUSE).await;
        monitor = Monitor::open(&handles).await;
        let _ = events.send(Event::Overflow);
    }
}

async fn pass_on_changes(
    monitor: host::Result<Monitor>,
    handles: &Handles,
    events: &mpsc::UnboundedSender<Event>,
) -> host::Result<()> {
    let mut monitor = monitor?;
    loop {
        let event = match monitor.next().await? {
            HostEvent::Link { name, .. } => Event::Device(name),
            HostEvent::NamespaceGone { name } => {
                // A handle that is kept would keep the namespace and its devices alive.
                handles.sweep();
                Event::Namespace(name)
            }
            HostEvent::Missed => {
                handles.sweep();
                Event::Overflow
            }
            // A device leaves this namespace when it is moved to where it belongs.
            HostEvent::LinkGone { .. } | HostEvent::Namespace { .. } => continue,
        };
        if events.send(event).is_err() {
            return Ok(());
        }
    }
}

async fn pass_on_reports(driver: Driver, mut passes: mpsc::UnboundedReceiver<Pass>) {
    while let Some(pass) = passes.recv().await {
        driver.report(pass);
    }
}

/// Every namespace in use costs a few descriptors; the usual limit of 1024 is for interactive programs.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        warn!(%error, "cannot raise the limit of open files; a node with many namespaces will be slower");
    }
}

/// Takes from the configuration what may change while the agent runs, and turns to a new log file where
/// the old one was rotated.
fn reload(request: &Request, level: &log::Level) {
    level.reopen();
    match config::load(request) {
        Ok(loaded) => {
            level.set(loaded.node.log.debug);
            info!(
                debug = loaded.node.log.debug,
                "read the configuration again; other options need a restart"
            );
        }
        Err(error) => warn!(error = format!("{error:#}"), "the configuration stays as it was"),
    }
}

/// Tells systemd once that the node is as wanted, as far as it can be.
fn ready() -> impl FnMut() {
    let mut told = false;
    move || {
        if !std::mem::replace(&mut told, true) {
            info!("every object was looked at once");
            if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
                warn!(%error, "cannot tell systemd that the agent is ready");
            }
        }
    }
}
