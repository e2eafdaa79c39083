//! From what the controller wants to what must exist here: which routers are this node's. What they
//! consist of is the work of `parts`.

use std::sync::Arc;

use model::{Desired, ObjectRef, Router, RouterId, Scope};

use crate::config::Config;
use crate::parts;
use crate::spec::Spec;

/// Every router in scope, with its content when it belongs here. Pure.
pub fn compile(desired: &Desired, config: &Config, scope: &Scope) -> Spec {
    let spec = |router: &Arc<Router>| is_here(router, config).then(|| parts::build(router, config));
    let left_alone = desired.left_alone.iter().filter_map(|object| match object {
        ObjectRef::Router(id) => Some(*id),
        _ => None,
    });
    let left_alone = left_alone.collect();
    match scope {
        Scope::All => {
            let routers = desired.routers().iter().map(|(id, router)| (*id, spec(router)));
            Spec { everything: true, routers: routers.collect(), left_alone }
        }
        Scope::Objects(_) => {
            let routers = routers_in(scope);
            let routers = routers.map(|id| (id, desired.routers().get(&id).and_then(spec)));
            Spec { everything: false, routers: routers.collect(), left_alone }
        }
    }
}

/// The routers that a scope names.
pub fn routers_in(scope: &Scope) -> impl Iterator<Item = RouterId> {
    let objects = match scope {
        Scope::All => None,
        Scope::Objects(objects) => Some(objects),
    };
    objects.into_iter().flatten().filter_map(|object| match object {
        ObjectRef::Router(id) => Some(*id),
        _ => None,
    })
}

/// A router that is down has no namespace.
fn is_here(router: &Router, config: &Config) -> bool {
    router.admin_up && router.host.as_ref() == Some(&config.host)
}
