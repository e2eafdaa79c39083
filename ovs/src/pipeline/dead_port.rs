//! Feature: a port that must not send. Its VLAN tag (4095) keeps others from reaching it; the tag alone
//! does not stop untagged frames on their way out, so a flow drops everything that comes from it.

use model::{ObjectRef, PortId};

use super::FlowSet;
use super::cookies::{Feature, cookie};
use super::tables::{integration as int, priority};
use crate::openflow::{Flow, Match};
use crate::spec::NodeSpec;

pub fn port(id: PortId, node: &NodeSpec, port: u32, set: &mut FlowSet) {
    let flow = Flow::new(int::LOCAL_SWITCHING, priority::DEAD_PORT, Match::new().in_port(port));
    set.add(&node.integration, flow.cookie(cookie(Feature::DeadPort, ObjectRef::Port(id))));
}
