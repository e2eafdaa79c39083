//! nftables rulesets: text in, through the `nft` program inside the namespace. One load is one transaction
//! of the kernel: all of it happens or nothing.
//!
//! Reading back goes by netlink, without a process: a table carries a comment, for instance a hash of the
//! text it was made from, and [`Netlink::table_comment`] tells it in a fraction of a millisecond.
//!
//! The text is made elsewhere. What it should hold to replace a table whole: `add table`, `delete table`,
//! then the full definition.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;

use netlink_packet_netfilter::nftables::{
    GenAttribute, GenMessage, NfTablesMessage, TableAttribute, TableMessage,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::netlink::cause::Cause;
use crate::netlink::channel;
use crate::{Error, Namespace, Netlink, Result};

/// What a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Ipv4,
    Ipv6,
    /// Both IPv4 and IPv6.
    Inet,
    Arp,
    Bridge,
    Netdev,
}

/// A process each: more than the machine has processors would only take memory.
static RUNNING: Semaphore = Semaphore::const_new(4);

/// A load takes milliseconds; a program that hangs is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Loads a ruleset text. The error of a bad ruleset holds what `nft` says about it, with line and column.
pub async fn load(namespace: &Namespace, ruleset: &str) -> Result<()> {
    let failed = |source| Error::RunNft { namespace: namespace.to_string(), source };
    let _permit = RUNNING.acquire().await.map_err(|error| failed(io::Error::other(error)))?;
    let child = spawn(namespace, &["-f", "-"]).map_err(failed)?;
    let output = timeout(PATIENCE, feed(child, ruleset))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(Error::Ruleset { namespace: namespace.to_string(), message })
}

fn spawn(namespace: &Namespace, arguments: &[&str]) -> io::Result<Child> {
    let mut command = Command::new("nft");
    command.args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let file = namespace.file().clone();
    let enter = move || Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?);
    // SAFETY: the closure runs in the child between fork and exec, where only async-signal-safe calls are
    // allowed. It makes one system call on a file descriptor that is open already; it does not allocate.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(enter);
    }
    command.spawn()
}

/// What `nft` says of a table as JSON (libnftables-json(5)). Starts a process, so it is nothing for every look.
pub async fn list(namespace: &Namespace, family: Family, table: &str) -> Result<String> {
    let failed = |source| Error::RunNft { namespace: namespace.to_string(), source };
    let _permit = RUNNING.acquire().await.map_err(|error| failed(io::Error::other(error)))?;
    let child = spawn(namespace, &["-j", "list", "table", &family.to_string(), table]).map_err(failed)?;
    let output = timeout(PATIENCE, feed(child, ""))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Ruleset { namespace: namespace.to_string(), message })
}

/// Writes and reads at the same time: a long complaint of `nft` must not block while it still reads.
async fn feed(mut child: Child, ruleset: &str) -> io::Result<std::process::Output> {
    let stdin = child.stdin.take();
    let write = async {
        let Some(mut stdin) = stdin else { return Ok(()) };
        match stdin.write_all(ruleset.as_bytes()).await {
            // It gave up reading; its own message says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    };
    let (written, output) = tokio::join!(write, child.wait_with_output());
    written?;
    output
}

/// The kind of userdata in which `nft` keeps a comment (libnftnl's `NFTNL_UDATA_TABLE_COMMENT`).
const COMMENT: u8 = 0;

/// A table as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub family: Family,
    pub name: String,
    /// Empty when it has none.
    pub comment: String,
}

impl Netlink {
    /// All tables of the namespace.
    pub async fn tables(&self) -> Result<Vec<Table>> {
        let request = NetfilterMessage::new(
            NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0),
            NfTablesMessage::GetTable(TableMessage { attributes: Vec::new() }),
        );
        let work = |mut handle| async move {
            let found = channel::dump::<channel::Netfilter>(&mut handle, request).await?;
            Ok(found.iter().filter_map(table).collect())
        };
        self.netfilter("nft list tables", work).await
    }

    /// The number of the namespace's ruleset, of all tables together: every change by anybody makes it another one.
    pub async fn ruleset_generation(&self) -> Result<u32> {
        let request = NetfilterMessage::new(
            NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0),
            NfTablesMessage::GetGen(GenMessage { attributes: Vec::new() }),
        );
        let work = |mut handle| async move {
            let found = channel::ask::<channel::Netfilter>(&mut handle, request).await?;
            found.iter().find_map(generation).ok_or(Cause::Malformed)
        };
        self.netfilter("nft get the generation of the ruleset", work).await
    }

    /// The comment of a table: None when there is no such table, empty when it has no comment.
    pub async fn table_comment(&self, family: Family, table: &str) -> Result<Option<String>> {
        let attributes = vec![TableAttribute::Name(table.to_owned())];
        let request = NetfilterMessage::new(
            NetfilterHeader::new(family.wire(), 0, 0),
            NfTablesMessage::GetTable(TableMessage { attributes }),
        );
        let deed = format!("nft list table {family} {table}");
        let work = |mut handle| async move {
            match channel::ask::<channel::Netfilter>(&mut handle, request).await {
                Ok(found) => Ok(found.iter().find_map(comment)),
                Err(Cause::Refused { errno: Errno::ENOENT, .. }) => Ok(None),
                Err(cause) => Err(cause),
            }
        };
        self.netfilter(&deed, work).await
    }
}

/// A table out of a dump. Families that are not known here are left out.
fn table(message: &NetfilterMessage) -> Option<Table> {
    const ALL: [Family; 6] =
        [Family::Ipv4, Family::Ipv6, Family::Inet, Family::Arp, Family::Bridge, Family::Netdev];
    let family = ALL.into_iter().find(|family| family.wire() == message.header.family)?;
    let NetfilterMessageInner::NfTables(NfTablesMessage::NewTable(table)) = &message.inner else {
        return None;
    };
    let name = table.attributes.iter().find_map(|attribute| match attribute {
        TableAttribute::Name(name) => Some(name.clone()),
        _ => None,
    })?;
    Some(Table { family, name, comment: comment(message)? })
}

fn generation(message: &NetfilterMessage) -> Option<u32> {
    let NetfilterMessageInner::NfTables(NfTablesMessage::NewGen(generation)) = &message.inner else {
        return None;
    };
    generation.attributes.iter().find_map(|attribute| match attribute {
        GenAttribute::Id(id) => Some(*id),
        _ => None,
    })
}

/// The comment of a table, empty when it has none.
fn comment(message: &NetfilterMessage) -> Option<String> {
    let NetfilterMessageInner::NfTables(NfTablesMessage::NewTable(table)) = &message.inner else {
        return None;
    };
    let userdata = table.attributes.iter().find_map(|attribute| match attribute {
        TableAttribute::UserData(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    Some(read_comment(userdata.unwrap_or_default()))
}

/// Out of the userdata: entries of a byte for the kind, a byte for the length, and the value.
fn read_comment(mut entries: &[u8]) -> String {
    while let [kind, length, rest @ ..] = entries {
        let Some((value, later)) = rest.split_at_checked(usize::from(*length)) else { break };
        if *kind == COMMENT {
            return String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
        }
        entries = later;
    }
    String::new()
}

impl Family {
    fn wire(self) -> NetfilterProtoFamily {
        match self {
            Self::Ipv4 => NetfilterProtoFamily::IPv4,
            Self::Ipv6 => NetfilterProtoFamily::IPv6,
            Self::Inet => NetfilterProtoFamily::Inet,
            Self::Arp => NetfilterProtoFamily::ARP,
            Self::Bridge => NetfilterProtoFamily::Bridge,
            Self::Netdev => NetfilterProtoFamily::NetDev,
        }
    }
}

/// As `nft` writes it.
impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_found_behind_other_userdata() {
        assert_eq!(read_comment(&[7, 2, 1, 1, 0, 3, b'a', b'b', 0]), "ab");
        assert_eq!(read_comment(&[7, 2, 1, 1]), "");
    }

    #[test]
    fn broken_userdata_is_no_comment() {
        let whole = [7, 2, 1, 1, 0, 200, b'a', 0];
        for length in 0..=whole.len() {
            assert_eq!(read_comment(&whole[..length]), "");
        }
    }
}
