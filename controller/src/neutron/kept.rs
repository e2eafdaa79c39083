//! What the node was last told to be, on the disk. A node that starts while the broker or the server is
//! away goes on as it was: its guests renew their leases, and after a reboot its switch is wired again.
//!
//! It is never more than a memory: nothing that was read here is ever a reason to take anything away, and
//! what the server says replaces it. Losing the file costs nothing but that.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imbl::{OrdMap, OrdSet};
use model::change::differ;
use model::{Desired, NetworkId};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

/// Objects as JSON by a key that begins with the kind. Another form gets another name.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects-1");

/// Changes within this time are written together.
const PAUSE: Duration = Duration::from_secs(2);

/// The file is written far more than read.
const CACHE_BYTES: usize = 1 << 20;

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Kept {
    file: Option<Arc<Database>>,
    written: Desired,
    due: Option<Instant>,
}

impl Kept {
    /// Opens the file, or makes it, and gives what is in it. A file that cannot be used is said once and done
    /// without.
    pub(crate) fn open(path: &Path) -> (Self, Desired) {
        let (file, desired) = match open(path) {
            Ok((file, desired)) => (Some(Arc::new(file)), desired),
            Err(error) => {
                let why = error.to_string();
                warn!(file = %path.display(), why, "what this node is told is not kept over a restart");
                (None, Desired::default())
            }
        };
        if !desired.ports().is_empty() || !desired.networks().is_empty() {
            let (networks, ports) = (desired.networks().len(), desired.ports().len());
            info!(
                networks,
                ports,
                routers = desired.routers().len(),
                "going on as it was until the server is heard"
            );
        }
        (Self { file, written: desired.clone(), due: None }, desired)
    }

    /// Nothing is kept.
    pub(crate) fn nowhere() -> Self {
        Self { file: None, written: Desired::default(), due: None }
    }

    /// There may be something to write.
    pub(crate) fn changed(&mut self, now: Instant) {
        if self.file.is_some() {
            self.due.get_or_insert(now + PAUSE);
        }
    }

    /// When [`Kept::write`] is to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what differs, in the background.
    pub(crate) fn write(&mut self, desired: &Desired) {
        self.due = None;
        let Some(file) = self.file.clone() else { return };
        let entries = difference(&self.written, desired);
        self.written = desired.clone();
        if entries.is_empty() {
            return;
        }
        tokio::task::spawn_blocking(move || {
            if let Err(error) = commit(&file, &entries) {
                warn!(why = %error, "what this node is told could not be kept; the next change is tried again");
            }
        });
    }
}

/// Opens and reads. A file that is damaged is begun anew; one that another process has is not ours to touch.
fn open(path: &Path) -> Result<(Database, Desired), redb::Error> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // The store meets a file that was cut short or overwritten with a panic in places.
    let first = std::panic::catch_unwind(|| create_and_read(path));
    match first {
        Ok(Ok(opened)) => return Ok(opened),
        Ok(Err(error)) if !is_damage(&error) => return Err(error),
        Ok(Err(error)) => warn!(file = %path.display(), why = %error, "begun anew"),
        Err(_) => warn!(file = %path.display(), "damaged, begun anew"),
    }
    std::fs::remove_file(path)?;
    create_and_read(path)
}

fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::DatabaseAlreadyOpen => false,
        redb::Error::Io(error) => matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
        _ => true,
    }
}

fn create_and_read(path: &Path) -> Result<(Database, Desired), redb::Error> {
    let file = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
    let desired = read(&file)?;
    Ok((file, desired))
}

fn read(file: &Database) -> Result<Desired, redb::Error> {
    let reading = file.begin_read()?;
    let mut desired = Desired::default();
    let table = match reading.open_table(OBJECTS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(desired),
        Err(error) => return Err(error.into()),
    };
    let mut unreadable = 0;
    for entry in table.iter()? {
        let (key, value) = entry?;
        if take_up(&mut desired, key.value(), value.value()).is_none() {
            unreadable += 1;
        }
    }
    if unreadable > 0 {
        warn!(unreadable, "some of what was kept cannot be read; the server will say it again");
    }
    Ok(desired)
}

fn take_up(desired: &mut Desired, key: &str, value: &[u8]) -> Option<()> {
    fn word<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
        serde_json::from_slice(value).ok()
    }
    match key.split_once('/')? {
        ("network", _) => desired.set_network(word::<model::Network>(value)?),
        ("subnet", _) => desired.set_subnet(word::<model::Subnet>(value)?),
        ("port", _) => desired.set_port(word::<model::Port>(value)?),
        ("router", _) => desired.set_router(word::<model::Router>(value)?),
        ("remote", _) => desired.set_remote_port(word::<model::RemotePort>(value)?),
        ("flood", network) => {
            let network: NetworkId = network.parse().ok()?;
            let endpoints: Vec<IpAddr> = word(value)?;
            desired.set_flood(network, endpoints.into_iter().collect());
        }
        _ => return None,
    }
    Some(())
}

type Entries = BTreeMap<String, Option<Vec<u8>>>;

/// What to put (or to remove) so that the file says `new`.
fn difference(old: &Desired, new: &Desired) -> Entries {
    let mut entries = Entries::new();
    objects(&mut entries, "network", old.networks(), new.networks(), ToString::to_string);
    objects(&mut entries, "subnet", old.subnets(), new.subnets(), ToString::to_string);
    objects(&mut entries, "port", old.ports(), new.ports(), ToString::to_string);
    objects(&mut entries, "router", old.routers(), new.routers(), ToString::to_string);
    let remote = |(network, mac): &(NetworkId, model::Mac)| format!("{network}/{mac}");
    objects(&mut entries, "remote", old.remote_ports(), new.remote_ports(), remote);
    differ(old.floods(), new.floods(), |network, _: &OrdSet<IpAddr>| {
        let ends = new.floods().get(network).map(|ends| ends.iter().copied().collect::<Vec<_>>());
        entries.insert(format!("flood/{network}"), ends.and_then(|ends| serde_json::to_vec(&ends).ok()));
    });
    entries
}

fn objects<K, V>(
    entries: &mut Entries,
    kind: &str,
    old: &OrdMap<K, Arc<V>>,
    new: &OrdMap<K, Arc<V>>,
    name: impl Fn(&K) -> String,
) where
    K: Ord + Clone,
    V: PartialEq + Serialize,
{
    differ(old, new, |key, _| {
        let value = new.get(key).and_then(|object| serde_json::to_vec(&**object).ok());
        entries.insert(format!("{kind}/{}", name(key)), value);
    });
}

fn commit(file: &Database, entries: &Entries) -> Result<(), redb::Error> {
    let writing = file.begin_write()?;
    {
        let mut table = writing.open_table(OBJECTS)?;
        for (key, value) in entries {
            match value {
                Some(value) => _ = table.insert(key.as_str(), value.as_slice())?,
                None => _ = table.remove(key.as_str())?,
            }
        }
    }
    writing.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::{HostName, Mac, Network, Port, PortId, RemotePort, Role, Router, RouterId, Subnet, SubnetId};
    use uuid::Uuid;

    use super::*;

    fn desired() -> Desired {
        let (network, host) = (NetworkId(Uuid::from_u128(1)), HostName("here".to_owned()));
        let mut desired = Desired::default();
        let name = String::new();
        let segments = vec![model::Segment::Local];
        desired.set_network(Network {
            id: network,
            name,
            admin_up: true,
            mtu: 1450,
            external: false,
            segments,
        });
        desired.set_subnet(Subnet {
            id: SubnetId(Uuid::from_u128(2)),
            network,
            name: String::new(),
            cidr: "10.0.0.0/24".parse().unwrap(),
            gateway: None,
            dhcp: true,
            dns_servers: Vec::new(),
            host_routes: Vec::new(),
        });
        desired.set_port(Port {
            id: PortId(Uuid::from_u128(3)),
            network,
            name: String::new(),
            mac: Mac::ZERO,
            fixed_ips: Vec::new(),
            owner: "network:dhcp".into(),
            device: String::new(),
            admin_up: true,
            port_security: false,
            allowed_pairs: Vec::new(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: Some(model::Binding { host: host.clone(), segment: Some(model::Segment::Local) }),
        });
        desired.set_router(Router {
            id: RouterId(Uuid::from_u128(4)),
            name: String::new(),
            admin_up: true,
            host: Some(host),
            interfaces: Vec::new(),
            gateway: None,
            routes: Vec::new(),
            floating_ips: Vec::new(),
            port_forwardings: Vec::new(),
        });
        let endpoint: IpAddr = "198.51.100.2".parse().unwrap();
        desired.set_remote_port(RemotePort { network, mac: Mac::ZERO, addresses: Vec::new(), endpoint });
        desired.set_flood(network, OrdSet::unit(endpoint));
        desired.complete.insert(Role::L2);
        desired
    }

    fn file() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("kept-{}", Uuid::new_v4())).join("picture.redb")
    }

    async fn written(path: &Path, desired: &Desired) -> Desired {
        let (mut kept, _) = Kept::open(path);
        kept.write(desired);
        let file = kept.file.clone().unwrap();
        drop(kept);
        // The background has its own handle until it is through.
        while Arc::strong_count(&file) > 1 {
            tokio::task::yield_now().await;
        }
        drop(file);
        Kept::open(path).1
    }

    #[tokio::test]
    async fn what_was_written_comes_back_and_is_never_complete() {
        let path = file();
        let desired = desired();
        let back = written(&path, &desired).await;
        assert!(back.complete.is_empty());
        let mut expected = desired.clone();
        expected.complete.clear();
        assert_eq!(back, expected);
        let mut less = desired;
        less.drop_port(PortId(Uuid::from_u128(3)));
        less.drop_network(NetworkId(Uuid::from_u128(1)));
        let back = written(&path, &less).await;
        assert_eq!((back.ports().len(), back.networks().len(), back.floods().len()), (0, 0, 0));
        assert_eq!(back.routers().len(), 1);
    }

    #[tokio::test]
    async fn a_damaged_file_is_begun_anew() {
        let path = file();
        written(&path, &desired()).await;
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let (_, back) = Kept::open(&path);
        assert!(back.ports().is_empty());
        std::fs::write(&path, b"nonsense").unwrap();
        assert_eq!(written(&path, &desired()).await.ports().len(), 1);
    }
}
