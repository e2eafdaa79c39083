//! Routes: those that differ are replaced, those that nobody wants are deleted.

use model::Stage;

use super::Work;
use crate::spec::Hop;
use crate::step::Change;

impl Work<'_> {
    pub(super) fn routes(&mut self) {
        let (spec, have) = (self.spec, self.have);
        for destination in have.routes.keys().filter(|destination| !spec.routes.contains_key(destination)) {
            self.push(Stage::RemoveRoutes, Change::DeleteRoute { destination: *destination });
        }
        // A next hop may be reached over a route of ours without one, so those come first.
        for direct in [true, false] {
            for (destination, hops) in &spec.routes {
                if hops.iter().all(|hop| hop.via.is_none()) != direct {
                    continue;
                }
                let possible: Vec<Hop> =
                    hops.iter().filter(|hop| self.has_device(&hop.device)).cloned().collect();
                let same = have.routes.get(destination).is_some_and(|old| old.iter().eq(&possible));
                let lost = possible.iter().any(|hop| self.unsettled.contains(hop.device.as_str()));
                if !possible.is_empty() && (lost || !same) {
                    let change = Change::ReplaceRoute { destination: *destination, hops: possible };
                    self.push(Stage::AddRoutes, change);
                }
            }
        }
    }
}
