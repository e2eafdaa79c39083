//! What can go wrong with the kernel. Every variant names the deed, the namespace and the object; the
//! kernel's own reason is the source.

use std::io;

use nix::errno::Errno;

use crate::netlink::cause::Cause;

/// A deed that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A netlink request or dump. `deed` reads as a command, such as `ip link set tap0 up`.
    #[error("cannot do `{deed}` in namespace {namespace}")]
    Netlink { deed: String, namespace: String, source: Cause },

    /// Making, opening, entering or deleting a namespace.
    #[error("cannot {deed} namespace {name}")]
    Namespace { deed: &'static str, name: String, source: io::Error },

    /// A name that cannot be a file name.
    #[error("{name:?} cannot be the name of a namespace")]
    NamespaceName { name: String },

    /// Reading or writing a sysctl.
    #[error("cannot {deed} in namespace {namespace}")]
    Sysctl { deed: String, namespace: String, source: io::Error },

    /// Opening or using a socket in a namespace.
    #[error("cannot {deed} in namespace {namespace}")]
    Socket { deed: String, namespace: String, source: io::Error },

    /// Watching links or namespaces.
    #[error("cannot {deed}")]
    Watch { deed: &'static str, source: io::Error },

    /// `nft` ran and refused the ruleset. `message` is what it printed, which holds line and column.
    #[error("nft refused the ruleset in namespace {namespace}: {message}")]
    Ruleset { namespace: String, message: String },

    /// `nft` could not be run.
    #[error("cannot run nft in namespace {namespace}")]
    RunNft { namespace: String, source: io::Error },
}

impl Error {
    /// The kernel's error number, when there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Netlink { source, .. } => source.errno(),
            Self::Namespace { source, .. }
            | Self::Sysctl { source, .. }
            | Self::Socket { source, .. }
            | Self::Watch { source, .. }
            | Self::RunNft { source, .. } => source.raw_os_error().map(Errno::from_raw),
            Self::NamespaceName { .. } | Self::Ruleset { .. } => None,
        }
    }

    /// True when the deed failed because the namespace, device or other object it speaks of is not there.
    /// An arrival may cure it.
    pub fn is_absence(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENOENT | Errno::ENODEV | Errno::ESRCH | Errno::ENXIO))
    }
}
