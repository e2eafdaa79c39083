//! Carries out steps: closes, then opens, several places at a time. What fails concerns its place alone.

use std::collections::BTreeMap;
use std::io;

use futures::{StreamExt as _, stream};
use host::{Handles, netns};
use model::{Outcome, Planned, Report, Retry};
use nix::errno::Errno;

use crate::error::Error;
use crate::leftover;
use crate::place::{Bind, Place};
use crate::service::{Opening, Service};
use crate::step::{Change, Step};

/// Places that are changed at a time.
const AT_ONCE: usize = 8;

pub(crate) async fn apply(
    handles: &Handles,
    service: &Service,
    state_path: &std::path::Path,
    steps: Vec<Planned<Step>>,
) -> Report {
    let mut places: BTreeMap<Place, Vec<Change>> = BTreeMap::new();
    for planned in steps {
        places.entry(planned.step.place).or_default().push(planned.step.change);
    }
    let work = places.into_iter().map(|(place, changes)| async move {
        let mut outcome = Outcome::Done;
        for change in changes {
            outcome = outcome.worse(match change {
                Change::Close { bind } => {
                    service.close(place, &bind).await;
                    Outcome::Done
                }
                Change::EndLeftover { process } => {
                    leftover::end(state_path.to_owned(), place, process);
                    Outcome::Done
                }
                Change::Open { bind, guests_of } => open(handles, service, place, bind, guests_of).await,
            });
        }
        (place, outcome)
    });
    let mut report = Report::default();
    let mut done = stream::iter(work).buffer_unordered(AT_ONCE);
    while let Some((place, outcome)) = done.next().await {
        report.add(place.object(), outcome);
    }
    report
}

async fn open(handles: &Handles, service: &Service, place: Place, bind: Bind, guests_of: Place) -> Outcome {
    // One that is dead would be in the way, and keep the namespace that it is in.
    service.close(place, &bind).await;
    let name = place.namespace();
    let waiting = |on: String| Outcome::Waiting { on };
    let opened = async {
        let entered = |source| Error::Enter { place, source };
        let handle = match handles.namespace(&name).await {
            Ok(handle) => handle,
            Err(error) if error.is_absence() => return Ok(None),
            Err(error) => return Err(entered(error)),
        };
        let Some(identity) = netns::identity(&name).map_err(entered)? else { return Ok(None) };
        service.open(handles, &handle, identity, (place, bind.clone(), guests_of)).await.map(Some)
    };
    match (opened.await, &bind) {
        (Ok(Some(Opening::Open)), _) => Outcome::Done,
        (Ok(Some(Opening::Held(holder))), _) => waiting(holder),
        (Ok(None), _) => waiting(format!("namespace {name}")),
        (Err(Error::Listen { source, .. }), Bind::V6 { device }) if is_absent(&source) => {
            waiting(format!("device {device}"))
        }
        (Err(error), _) => Outcome::failed(&error, Retry::Soon),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENODEV | Errno::ENXIO))
}
