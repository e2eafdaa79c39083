//! Carries out steps: one OVSDB transaction and then one OpenFlow bundle per bridge. When the switch
//! refuses one of many, the object that it was for is left out and the rest is done.

mod flows;
mod operations;
mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{ObjectRef, Outcome, Planned, Report, Retry};

use crate::error::ApplyError;
use crate::links::Links;
use crate::ovsdb::Client;
use crate::step::Step;

/// What steps are carried out with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hands<'a> {
    pub(crate) database: &'a Client,
    pub(crate) links: &'a Links,
    pub(crate) ovsdb_timeout: Duration,
}

/// Does the steps of one stage and says what came of every object.
pub(crate) async fn apply(steps: Vec<Planned<Step>>, hands: Hands<'_>) -> Report {
    let mut report = Report::default();
    for planned in &steps {
        report.add(planned.object, Outcome::Done);
    }
    let (flows, rows): (Vec<_>, Vec<_>) = steps.into_iter().partition(|planned| planned.step.is_flow());
    rows::apply(&rows, hands, &mut report).await;
    let mut bridges: BTreeMap<String, Vec<Planned<Step>>> = BTreeMap::new();
    for planned in flows.into_iter().filter(|planned| !report.failed(planned.object)) {
        if let Step::AddFlow { bridge, .. }
        | Step::DeleteFlow { bridge, .. }
        | Step::DeleteCookie { bridge, .. } = &planned.step
        {
            bridges.entry(bridge.clone()).or_default().push(planned);
        }
    }
    for (bridge, steps) in bridges {
        flows::apply(&bridge, steps, hands, &mut report).await;
    }
    report
}

fn fail(report: &mut Report, object: ObjectRef, error: &ApplyError) {
    report.add(object, Outcome::failed(error, Retry::Soon));
}
