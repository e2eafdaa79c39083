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

use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily, NetfilterSubsystem,
};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::netlink::transport::{ACKNOWLEDGE, Cause, Encoded, attribute, text};
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
    let child = spawn(namespace).map_err(failed)?;
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

fn spawn(namespace: &Namespace) -> io::Result<Child> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
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

/// `NFNL_SUBSYS_NFTABLES` of linux/netfilter/nfnetlink.h
const SUBSYSTEM: u8 = 10;
/// `NFT_MSG_NEWTABLE`, `NFT_MSG_GETTABLE`, `NFTA_TABLE_NAME`, `NFTA_TABLE_USERDATA` of
/// linux/netfilter/nf_tables.h
const NEW_TABLE: u8 = 0;
const GET_TABLE: u8 = 1;
const NAME: u16 = 1;
const USERDATA: u16 = 6;
/// The kind of userdata in which `nft` keeps a comment (libnftnl's `NFTNL_UDATA_TABLE_COMMENT`).
const COMMENT: u8 = 0;

impl Netlink {
    /// The comment of a table: None when there is no such table, empty when it has no comment.
    pub async fn table_comment(&self, family: Family, table: &str) -> Result<Option<String>> {
        let mut name = table.as_bytes().to_vec();
        name.push(0);
        let message = NetfilterMessage::new(
            NetfilterHeader::new(family.wire(), 0, 0),
            NetfilterMessageInner::Other {
                subsys: NetfilterSubsystem::NfTables,
                message_type: GET_TABLE,
                attributes: vec![DefaultNla::new(NAME, name)],
            },
        );
        let request = Encoded::new(message, ACKNOWLEDGE);
        let deed = format!("nft list table {family} {table}");
        self.netfilter(&deed, move |transport| {
            let mut comment = None;
            let result = transport.get(&request, |kind, payload| {
                if kind.to_be_bytes() == [SUBSYSTEM, NEW_TABLE] {
                    comment = Some(read_comment(payload));
                }
            });
            match result {
                Ok(()) => Ok(comment),
                Err(Cause::Refused { errno: Errno::ENOENT, .. }) => Ok(None),
                Err(cause) => Err(cause),
            }
        })
        .await
    }
}

/// Out of a table message: four bytes of header, then attributes, one of which holds entries of a byte for
/// the kind, a byte for the length, and the value.
fn read_comment(payload: &[u8]) -> String {
    let attributes = payload.get(4..).unwrap_or_default();
    let mut entries = attribute(attributes, USERDATA).unwrap_or_default();
    while let [kind, length, rest @ ..] = entries {
        let Some((value, later)) = rest.split_at_checked(usize::from(*length)) else { break };
        if *kind == COMMENT {
            return text(value);
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

    fn message(userdata: &[u8]) -> Vec<u8> {
        let length = u16::try_from(userdata.len() + 4).unwrap();
        let mut bytes = vec![2, 0, 0, 0];
        bytes.extend(length.to_ne_bytes());
        bytes.extend(USERDATA.to_ne_bytes());
        bytes.extend(userdata);
        bytes
    }

    #[test]
    fn a_comment_is_found_behind_other_userdata() {
        assert_eq!(read_comment(&message(&[7, 2, 1, 1, 0, 3, b'a', b'b', 0])), "ab");
        assert_eq!(read_comment(&message(&[7, 2, 1, 1])), "");
    }

    #[test]
    fn broken_userdata_is_no_comment() {
        for length in 0..12 {
            let whole = message(&[7, 2, 1, 1, 0, 200, b'a', 0]);
            assert_eq!(read_comment(&whole[..length.min(whole.len())]), "");
        }
    }
}
