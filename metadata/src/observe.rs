//! Reads what exists: which listeners are open is this process' own memory; whether what they were opened on is still
//! there is asked of the kernel. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use host::{Handles, netns};
use model::Scope;

use crate::actual::{Actual, Found};
use crate::config::Config;
use crate::error::Error;
use crate::leftover;
use crate::place::{Bind, Place};
use crate::service::Service;

/// Places that are looked at at a time.
const AT_ONCE: usize = 16;

/// What exists, of the objects in scope. What Neutron's agents left is looked for where this process stands in for
/// them, and nowhere else: another agent of the node may still be theirs.
pub(crate) async fn observe(
    handles: &Handles,
    service: &Service,
    config: &Config,
    scope: &Scope,
) -> Result<Actual, Error> {
    let state_path = config.take_over.then_some(config.state_path.as_path());
    let stands_in = |place: &Place| match place {
        Place::Router(_) => config.routers,
        Place::Network(_) => config.isolated || config.force,
    };
    let places: BTreeSet<Place> = match scope {
        Scope::All => {
            handles.sweep();
            let left = state_path.map(leftover::places).unwrap_or_default();
            service.places().into_iter().chain(left.into_iter().filter(stands_in)).collect()
        }
        Scope::Objects(objects) => objects.iter().copied().filter_map(Place::of).collect(),
    };
    let looks = places.into_iter().map(|place| async move {
        let found = found(handles, service, place).await?;
        let leftover = state_path.filter(|_| stands_in(&place)).and_then(|path| leftover::find(path, place));
        Ok((place, Found { leftover, ..found }))
    });
    let found: Vec<Result<(Place, Found), Error>> =
        stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
    let mut places = found.into_iter().collect::<Result<BTreeMap<_, _>, _>>()?;
    places.retain(|_, found| !found.open.is_empty() || found.leftover.is_some());
    arrived(handles, &mut places).await?;
    Ok(Actual { places })
}

async fn found(handles: &Handles, service: &Service, place: Place) -> Result<Found, Error> {
    let failed = |source| Error::Observe { place, source };
    let open = service.open_in(place);
    if open.is_empty() {
        return Ok(Found::default());
    }
    let name = place.namespace();
    let namespace = netns::identity(&name).map_err(failed)?;
    let mut devices = BTreeMap::new();
    for device in open.keys().filter_map(device_of) {
        let link = match handles.namespace(&name).await {
            Ok(handle) => handle.link(device).await.map_err(failed)?,
            Err(error) if error.is_absence() => None,
            Err(error) => return Err(failed(error)),
        };
        devices.extend(link.map(|link| (device.to_owned(), link.index)));
    }
    Ok(Found { namespace, open, devices, ..Found::default() })
}

/// Devices that the switch made anew are in the root namespace until they are moved.
async fn arrived(handles: &Handles, places: &mut BTreeMap<Place, Found>) -> Result<(), Error> {
    if !places.values().any(|found| found.open.keys().any(|bind| device_of(bind).is_some())) {
        return Ok(());
    }
    let devices = handles.root_devices().await.map_err(|source| Error::Arrived { source })?;
    for found in places.values_mut() {
        let own = found.open.keys().filter_map(device_of);
        found.arrived = own.filter(|device| devices.contains(*device)).map(str::to_owned).collect();
    }
    Ok(())
}

fn device_of(bind: &Bind) -> Option<&str> {
    match bind {
        Bind::V6 { device } => Some(device),
        Bind::Port(_) | Bind::V4 => None,
    }
}
