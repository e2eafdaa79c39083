//! What can go wrong with routers. What was done, in which namespace, on which object is said by the
//! source, which is the kernel hands' error.

use model::{RouterId, names};

/// Reading or changing routers failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing at all can be said about what exists.
    #[error("cannot list the namespaces of routers")]
    List { source: host::Error },

    /// Devices that the switch has made could not be looked for.
    #[error("cannot look for routers' devices in the root namespace")]
    Arrived { source: host::Error },

    /// One step of one router.
    #[error("cannot change {}", names::router_namespace(*.router))]
    Change { router: RouterId, source: host::Error },
}
