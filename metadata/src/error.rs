//! What can go wrong with the metadata proxy as a part of the node. What goes wrong with a guest's request is told to
//! the guest and counted; see `answer`.

use std::io;

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
    Tls(#[from] tls::Error),
}
