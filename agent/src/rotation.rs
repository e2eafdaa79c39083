//! `watch_log_file`: a log file that somebody moved away or removed is opened anew, without a signal.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::log::Level;

/// How often it is looked for; what is written meanwhile is in the old file.
const PAUSE: Duration = Duration::from_secs(1);

/// Watches the file for as long as the program runs.
pub(crate) async fn watch(file: PathBuf, level: Level) {
    let mut known = identity(&file);
    loop {
        tokio::time::sleep(PAUSE).await;
        if identity(&file) != known {
            level.reopen();
            known = identity(&file);
        }
    }
}

/// The device and the inode; none where there is no file.
fn identity(file: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
