//! Carries out steps. Those of one network follow each other; networks go on beside each other, and what
//! fails for one leaves the others alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use host::{Handles, Netlink, Request, ethtool, netns, sysctl};
use model::{NetworkId, ObjectRef, Outcome, Planned, Report, names};
use nix::errno::Errno;
use tracing::{debug, info};

use crate::error::Error;
use crate::leftover;
use crate::server::socket::Sockets;
use crate::service::Service;
use crate::step::{Action, Step};

/// Networks that are worked on at a time.
const AT_ONCE: usize = 16;

/// What must be set in a namespace before its device comes. Without `promote_secondaries` the kernel takes all
/// addresses of a subnet away with the first; Neutron sets it in every namespace that it makes (`ip_lib`).
const SYSCTLS: [(&str, &str); 3] = [
    ("net.ipv4.ip_nonlocal_bind", "1"),
    ("net.ipv4.conf.all.promote_secondaries", "1"),
    ("net.ipv6.conf.default.accept_ra", "0"),
];

/// Carries out the steps of one stage. `waiting` are the networks whose devices were not there when they
/// were to be moved in this pass; it grows.
pub(crate) async fn apply(
    handles: &Handles,
    service: &Service,
    state_path: Option<&Path>,
    waiting: &mut BTreeSet<NetworkId>,
    steps: Vec<Planned<Step>>,
) -> Report {
    let mut works: BTreeMap<NetworkId, Work> = BTreeMap::new();
    for planned in steps {
        let network = planned.step.network;
        let blocked = waiting.contains(&network);
        works
            .entry(network)
            .or_insert_with(|| Work {
                handles: handles.clone(),
                service: service.clone(),
                state_path: state_path.map(Path::to_owned),
                network,
                blocked,
                awaited: false,
                steps: Vec::new(),
            })
            .steps
            .push(planned);
    }
    let mut done = futures::stream::iter(works.into_values()).map(Work::run).buffer_unordered(AT_ONCE);
    let mut report = Report::default();
    while let Some(part) = done.next().await {
        waiting.extend(part.awaited);
        report.merge(part.report);
    }
    report
}

/// The steps of one network.
struct Work {
    handles: Handles,
    service: Service,
    /// Where Neutron's DHCP agent keeps its files, if it is to be replaced.
    state_path: Option<PathBuf>,
    network: NetworkId,
    /// Whether its device did not come in this pass.
    blocked: bool,
    /// Whether that turned out just now.
    awaited: bool,
    steps: Vec<Planned<Step>>,
}

struct Done {
    report: Report,
    awaited: Option<NetworkId>,
}

impl Work {
    async fn run(mut self) -> Done {
        let mut report = Report::default();
        let mut requests = Vec::new();
        for Planned { object, step, .. } in std::mem::take(&mut self.steps) {
            report.add(object, Outcome::Done);
            if (self.blocked && step.action.needs_device()) || report.failed(object) {
                continue;
            }
            // Changes inside the namespace travel together.
            if let Some(request) = request(&step.action) {
                requests.push(request);
                continue;
            }
            let result = match self.flush(&mut requests).await {
                Ok(()) => self.act(step.action).await,
                Err(error) => Err(error),
            };
            self.note(object, result, &mut report);
        }
        let result = self.flush(&mut requests).await;
        self.note(ObjectRef::Network(self.network), result, &mut report);
        Done { report, awaited: self.awaited.then_some(self.network) }
    }

    fn note(&mut self, object: ObjectRef, result: Result<(), Error>, report: &mut Report) {
        match result {
            Ok(()) => {}
            Err(error @ Error::NoDevice { .. }) => {
                self.blocked = true;
                self.awaited = true;
                report.add(object, Outcome::Waiting { on: error.to_string() });
            }
            Err(error) => report.add(object, Outcome::failed(&error, error.retry())),
        }
    }

    /// Makes the changes inside the namespace that have been collected.
    async fn flush(&self, requests: &mut Vec<Request>) -> Result<(), Error> {
        if requests.is_empty() {
            return Ok(());
        }
        let netlink = self.netlink().await?;
        for result in netlink.change_all(std::mem::take(requests)).await {
            match result {
                // Devices of the kernel's switch go with their port, and not otherwise.
                Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                    debug!(network = %self.network, error = %error, "left to the switch");
                }
                result => result.map_err(|source| self.failed(source))?,
            }
        }
        Ok(())
    }

    async fn act(&self, action: Action) -> Result<(), Error> {
        let network = self.network;
        match action {
            Action::StopServer => {
                self.service.stop(network);
                info!(%network, "DHCP server stopped");
            }
            Action::CloseSockets => self.service.close(network),
            Action::DropHost { port } => self.service.drop_host(network, port),
            Action::DeletePair { device } => {
                let request = Request::DeleteLink { device };
                self.handles.root().change(request).await.map_err(|source| self.failed(source))?;
            }
            Action::DeleteNamespace => {
                self.handles.delete(&self.namespace()).map_err(|source| self.failed(source))?;
            }
            Action::MakeNamespace => self.make_namespace().await?,
            Action::MakePair { device, peer } => self.make_pair(device, peer).await?,
            Action::RaisePeer { device, mtu } => self.raise_peer(device, mtu).await?,
            Action::TakeDevice { device } => self.take(device).await?,
            Action::WholeChecksums { device } => {
                let netlink = self.netlink().await?;
                let done = ethtool::disable_checksum_offload(netlink.namespace(), &device).await;
                done.map_err(|source| self.failed(source))?;
            }
            Action::Configure { times, subnets } => self.service.configure(network, times, &subnets),
            Action::LoadHosts { hosts } => self.service.set_hosts(network, hosts),
            Action::SetHost { host } => self.service.set_hosts(network, vec![host]),
            Action::Listen { device } => self.listen(device).await?,
            // Collected before; see `request`.
            Action::DeleteRoute { .. }
            | Action::DeleteAddress { .. }
            | Action::DeleteDevice { .. }
            | Action::SetMac { .. }
            | Action::SetMtu { .. }
            | Action::SetUp { .. }
            | Action::AddAddress { .. }
            | Action::AddRoute { .. } => {}
        }
        Ok(())
    }

    async fn make_namespace(&self) -> Result<(), Error> {
        netns::create(&self.namespace()).await.map_err(|source| self.failed(source))?;
        let netlink = self.netlink().await?;
        let values = SYSCTLS.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let written =
            sysctl::write(netlink.namespace(), values).await.map_err(|source| self.failed(source))?;
        for result in written {
            match result {
                // A kernel without IPv6.
                Err(error) if error.is_absence() => {}
                result => result.map_err(|source| self.failed(source))?,
            }
        }
        let up = Request::SetUp { device: "lo".to_owned() };
        netlink.change(up).await.map_err(|source| self.failed(source))
    }

    async fn make_pair(&self, device: String, peer: String) -> Result<(), Error> {
        let netlink = self.netlink().await?;
        let request =
            Request::AddVeth { device: peer, peer: device, peer_namespace: netlink.namespace().clone() };
        self.handles.root().change(request).await.map_err(|source| self.failed(source))
    }

    async fn raise_peer(&self, device: String, mtu: Option<u32>) -> Result<(), Error> {
        let mtu = mtu.map(|mtu| Request::SetMtu { device: device.clone(), mtu });
        let requests = mtu.into_iter().chain([Request::SetUp { device }]).collect();
        let results = self.handles.root().change_all(requests).await;
        results.into_iter().collect::<Result<Vec<()>, _>>().map_err(|source| self.failed(source))?;
        Ok(())
    }

    async fn take(&self, device: String) -> Result<(), Error> {
        let netlink = self.netlink().await?;
        let request = Request::MoveLink { device: device.clone(), to: netlink.namespace().clone() };
        match self.handles.root().change(request).await {
            Err(error) if error.is_absence() => Err(Error::NoDevice { network: self.network, device }),
            result => result.map_err(|source| self.failed(source)),
        }
    }

    async fn listen(&self, device: String) -> Result<(), Error> {
        let network = self.network;
        let netlink = self.netlink().await?;
        let link = netlink.link(&device).await.map_err(|source| self.failed(source))?;
        let Some((index, mac)) = link.and_then(|link| Some((link.index, link.mac?))) else {
            return Err(Error::NoDevice { network, device });
        };
        let failed = |source| Error::Listen { network, device: device.clone(), source };
        let mut opened = Sockets::open(netlink.namespace(), device.clone(), mac).await;
        if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
            && let Some(state_path) = &self.state_path
        {
            // Some builds of dnsmasq do not share their socket.
            leftover::end(state_path, network).await;
            opened = Sockets::open(netlink.namespace(), device.clone(), mac).await;
        }
        self.service.listen(network, opened.map_err(failed)?, index).map_err(failed)?;
        info!(%network, device, "DHCP server listens");
        if let Some(state_path) = self.state_path.clone() {
            tokio::spawn(async move { leftover::end(&state_path, network).await });
        }
        Ok(())
    }

    fn namespace(&self) -> String {
        names::dhcp_namespace(self.network)
    }

    async fn netlink(&self) -> Result<Netlink, Error> {
        self.handles.namespace(&self.namespace()).await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: host::Error) -> Error {
        Error::Kernel { network: self.network, source }
    }
}

/// The change inside the namespace that an action is, when it is just that.
fn request(action: &Action) -> Option<Request> {
    Some(match action.clone() {
        Action::DeleteRoute { route } => Request::DeleteRoute(route),
        Action::DeleteAddress { device, address } => Request::DeleteAddress { device, address },
        Action::DeleteDevice { device } => Request::DeleteLink { device },
        Action::SetMac { device, mac } => Request::SetMac { device, mac },
        Action::SetMtu { device, mtu } => Request::SetMtu { device, mtu },
        Action::SetUp { device } => Request::SetUp { device },
        Action::AddAddress { device, address } => Request::AddAddress { device, address },
        Action::AddRoute { route } => Request::ReplaceRoute(route),
        _ => return None,
    })
}

impl Action {
    /// Whether it makes no sense without the device.
    fn needs_device(&self) -> bool {
        matches!(
            self,
            Self::TakeDevice { .. }
                | Self::SetMac { .. }
                | Self::SetMtu { .. }
                | Self::WholeChecksums { .. }
                | Self::SetUp { .. }
                | Self::AddAddress { .. }
                | Self::AddRoute { .. }
                | Self::Listen { .. }
        )
    }
}
