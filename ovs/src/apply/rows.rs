//! Row changes as one transaction, or as few as it takes when some are refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{ObjectRef, Outcome, Planned, Report};
use tracing::warn;

use super::operations::{must_count, operations};
use super::{Hands, fail};
use crate::error::ApplyError;
use crate::ovsdb::{self, OpResult, Operation};
use crate::step::Step;

/// What one operation is part of: the place of its step.
struct Batch {
    operations: Vec<Operation>,
    steps: Vec<usize>,
}

pub(super) async fn apply(steps: &[Planned<Step>], hands: Hands<'_>, report: &mut Report) {
    let mut left: Vec<&Planned<Step>> = steps.iter().collect();
    // Each round either ends or leaves an object out.
    while !left.is_empty() {
        let batch = Batch::new(&left);
        let refused = match transact(&batch, hands).await {
            Ok(results) => return count(&batch, &left, &results, report),
            Err(ApplyError::Rows(error)) => match guilty(&error, &batch, &left) {
                Guilty::Object(object) => {
                    warn!(%object, %error, "the switch's database refused a change");
                    fail(report, object, &ApplyError::Rows(error));
                    object
                }
                Guilty::Unknown => return one_by_one(&left, hands, report).await,
                Guilty::Nobody => return fail_all(&left, &ApplyError::Rows(error), report),
            },
            Err(error) => return fail_all(&left, &error, report),
        };
        left.retain(|planned| planned.object != refused);
    }
}

enum Guilty {
    Object(ObjectRef),
    /// Somebody's fault, and the server does not say whose.
    Unknown,
    /// The database is away.
    Nobody,
}

fn guilty(error: &ovsdb::Error, batch: &Batch, steps: &[&Planned<Step>]) -> Guilty {
    match error {
        ovsdb::Error::Refused { index, .. } => {
            let step = batch.steps.get(*index).and_then(|step| steps.get(*step));
            step.map_or(Guilty::Unknown, |planned| Guilty::Object(planned.object))
        }
        ovsdb::Error::Commit { .. } => Guilty::Unknown,
        _ => Guilty::Nobody,
    }
}

/// A transaction for every object, in their order.
async fn one_by_one(steps: &[&Planned<Step>], hands: Hands<'_>, report: &mut Report) {
    let objects: BTreeSet<ObjectRef> = steps.iter().map(|planned| planned.object).collect();
    for object in objects {
        let own: Vec<_> = steps.iter().copied().filter(|planned| planned.object == object).collect();
        let batch = Batch::new(&own);
        match transact(&batch, hands).await {
            Ok(results) => count(&batch, &own, &results, report),
            Err(error) => {
                warn!(%object, error = &error as &dyn std::error::Error, "the switch's database refused a change");
                fail(report, object, &error);
            }
        }
    }
}

fn fail_all(steps: &[&Planned<Step>], error: &ApplyError, report: &mut Report) {
    steps.iter().for_each(|planned| fail(report, planned.object, error));
}

/// A row that nothing was done to was gone. That it went has woken its object already.
fn count(batch: &Batch, steps: &[&Planned<Step>], results: &[OpResult], report: &mut Report) {
    for (result, step) in results.iter().zip(&batch.steps) {
        let Some(planned) = steps.get(*step) else { continue };
        if result.count() == Some(0)
            && let Some(what) = must_count(&planned.step)
        {
            report.add(planned.object, Outcome::Waiting { on: format!("{what}, which has just gone") });
        }
    }
}

async fn transact(batch: &Batch, hands: Hands<'_>) -> Result<Vec<OpResult>, ApplyError> {
    let call = hands.database.transact(batch.operations.clone());
    match tokio::time::timeout(hands.ovsdb_timeout, call).await {
        Ok(outcome) => outcome.map_err(|error| ApplyError::Rows(Arc::new(error))),
        Err(_) => Err(ApplyError::Timeout(hands.ovsdb_timeout)),
    }
}

impl Batch {
    fn new(planned: &[&Planned<Step>]) -> Self {
        let (mut all, mut steps) = (Vec::new(), Vec::new());
        for (place, planned) in planned.iter().enumerate() {
            let operations = operations(&planned.step, place);
            steps.extend(operations.iter().map(|_| place));
            all.extend(operations);
        }
        all.push(Operation::comment("baryon"));
        Self { operations: all, steps }
    }
}
