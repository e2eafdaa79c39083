//! What can go wrong with the DHCP service.

use std::io;

use model::{NetworkId, Retry};

/// A deed that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read which DHCP namespaces there are")]
    List { source: host::Error },

    #[error("cannot look for device {device}")]
    FindDevice { device: String, source: host::Error },

    #[error("cannot look for devices")]
    FindDevices { source: host::Error },

    #[error("cannot set up the DHCP service of network {network}")]
    Kernel { network: NetworkId, source: host::Error },

    #[error("cannot open the DHCP server's sockets on {device} of network {network}")]
    Listen { network: NetworkId, device: String, source: io::Error },

    #[error("device {device} is not in the namespace of network {network}")]
    NoDevice { network: NetworkId, device: String },
}

impl Error {
    /// When another try is worth it. Whatever the kernel refuses may be a matter of order or load.
    pub fn retry(&self) -> Retry {
        Retry::Soon
    }

    /// True when something that is not there yet was needed.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Kernel { source, .. } => source.is_absence(),
            Self::NoDevice { .. } => true,
            _ => false,
        }
    }
}
