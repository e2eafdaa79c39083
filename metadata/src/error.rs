//! What can go wrong with the metadata proxy as a part of the node. What goes wrong with a guest's request is told to
//! the guest and counted; see `answer`.

use std::io;
use std::path::PathBuf;

use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;

use crate::place::{Bind, Place};

/// Reading or changing listeners failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What a listener was opened on could not be read.
    #[error("cannot see whether metadata is still served in {}", place.namespace())]
    Observe { place: Place, source: host::Error },

    /// Devices that the switch has made could not be looked for.
    #[error("cannot look for devices in the root namespace")]
    Arrived { source: host::Error },

    /// The namespace could not be entered.
    #[error("cannot serve metadata in {}", place.namespace())]
    Enter { place: Place, source: host::Error },

    /// A socket could not be opened.
    #[error("cannot listen on {bind} in {}", place.namespace())]
    Listen { place: Place, bind: Bind, source: io::Error },

    /// Files for the way to Nova cannot be used.
    #[error("cannot prepare TLS for Nova's metadata service")]
    Tls(#[from] TlsError),
}

/// Why TLS could not be prepared. Every sentence names the option that says which file is meant.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {option} {}", path.display())]
    Read { option: &'static str, path: PathBuf, source: pem::Error },

    #[error("{option} {} holds no certificate", path.display())]
    NoCertificate { option: &'static str, path: PathBuf },

    #[error("there are no authorities of the system; name those of Nova's certificate in auth_ca_cert")]
    NoAuthority,

    #[error("nova_client_cert and nova_client_priv_key cannot be used together")]
    Identity { source: rustls::Error },

    #[error("no version of TLS can be used")]
    Version { source: rustls::Error },
}
