//! What the server has to be told of one port: that it is up, that it is down, or nothing. Pure decisions
//! out of what the server believes, what is plugged, and what the engine reached.

use std::time::{Duration, Instant};

use crate::neutron::wire::object::{Place, PortObject, PortStatus};

/// When the engine says nothing more of a port that it had reached before, there was nothing left to do.
const SILENCE: Duration = Duration::from_secs(3);

/// How long the server may take to make a port ACTIVE that was reported; doubled with each look that finds it DOWN.
const CONFIRMATION: Duration = Duration::from_secs(3);

/// Most doublings. A DHCP service on another node may be away for long.
const DOUBLINGS: u32 = 6;

/// How one port stands between the node and the server.
#[derive(Debug, Default)]
pub(super) struct Standing {
    wired: Wired,
    belief: Belief,
    /// The revision of the object that the belief is out of.
    seen: Option<i64>,
    /// Whether it was ever plugged in since the start.
    was_plugged: bool,
    /// It has another interface than the one that was reported: whoever waits for it to come up has to see
    /// it go down before.
    replugged: bool,
    /// An object with news came in while a report was under way.
    overtaken: bool,
    /// It was reported to be up, and the server did not say since that it is ACTIVE.
    unconfirmed: bool,
    /// How often that was looked after in a row.
    looks: u32,
}

/// What the engine reached for the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Wired {
    #[default]
    Unknown,
    No,
    Yes,
    /// As wanted, unless something else is heard until then.
    Presumed(Instant),
}

/// What the server believes of the port, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Belief {
    #[default]
    Unknown,
    Up,
    Down,
}

/// What is to be reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Nothing,
    Up,
    Down,
}

impl Standing {
    /// Takes in that the port's interfaces are others than before.
    pub(super) fn plugged(&mut self, before: usize, after: usize, are_others: bool, now: Instant) {
        self.was_plugged |= after > 0;
        if after == 0 {
            self.wired = Wired::Unknown;
        } else if before > 0 && are_others {
            self.replugged = true;
            self.unsettle(now);
        }
    }

    /// Takes in what the server says of the port now.
    pub(super) fn object(&mut self, before: Option<&PortObject>, object: &PortObject, now: Instant) {
        // What the engine reached may have been to cut it off; or it knew the port from before the start, and has
        // nothing left to do.
        if !before.is_some_and(is_live) && is_live(object) {
            self.unsettle(now);
        }
        let moved = before.is_some_and(|before| before.place != object.place);
        let news = self.seen != object.sighting.revision || before.is_none();
        self.seen = object.sighting.revision;
        if moved || object.status == PortStatus::Active {
            self.unconfirmed = false;
            self.looks = 0;
        }
        if moved {
            // The status speaks of the node that has the port. What was reported of this one is void.
            self.belief = Belief::Unknown;
        } else if news && object.place == Place::Here {
            self.belief = status(object);
            self.overtaken = true;
        }
    }

    /// The port does not exist any more.
    pub(super) fn gone(&mut self) {
        self.belief = Belief::Unknown;
        self.seen = None;
        self.wired = Wired::Unknown;
        self.replugged = false;
        self.unconfirmed = false;
        self.looks = 0;
    }

    /// Takes in what came of the engine's pass.
    pub(super) fn outcome(&mut self, done: bool) {
        self.wired = if done { Wired::Yes } else { Wired::No };
    }

    pub(super) fn report_is_sent(&mut self) {
        self.overtaken = false;
    }

    /// A report was taken in by the server.
    pub(super) fn acknowledged(&mut self, up: bool, object: Option<&PortObject>) {
        // Whether the object or the report came first at the server is not known; one report more settles it.
        self.belief = match object {
            _ if !up => Belief::Down,
            Some(object) if self.overtaken => status(object),
            _ => Belief::Up,
        };
        self.replugged &= up;
        self.unconfirmed = up && object.is_some_and(|object| object.status == PortStatus::Down);
    }

    /// When to look whether the server made the port ACTIVE that was just reported. Two reports for one port, as the one
    /// of a DHCP service elsewhere, can come to nothing together (see `turns`).
    pub(super) fn look(&mut self, now: Instant) -> Option<Instant> {
        if !self.unconfirmed {
            return None;
        }
        let pause = CONFIRMATION * 2_u32.pow(self.looks.min(DOUBLINGS));
        self.looks = self.looks.saturating_add(1);
        Some(now + pause)
    }

    /// Takes in what the server has of the port, whether that is news or not.
    pub(super) fn looked(&mut self, object: &PortObject) {
        if std::mem::take(&mut self.unconfirmed)
            && object.place == Place::Here
            && object.status == PortStatus::Down
            && self.belief == Belief::Up
        {
            self.belief = Belief::Down;
        }
    }

    /// Nobody knows what became of a report.
    pub(super) fn unanswered(&mut self) {
        self.belief = Belief::Unknown;
    }

    /// The server is to be told once more that the port is up.
    pub(super) fn announce(&mut self) {
        if self.belief == Belief::Up {
            self.belief = Belief::Unknown;
        }
    }

    /// What the server has to be told.
    pub(super) fn step(&mut self, object: Option<&PortObject>, is_plugged: bool, now: Instant) -> Step {
        let Some(object) = object.filter(|object| object.place != Place::Elsewhere) else {
            return Step::Nothing;
        };
        let is_here = object.place == Place::Here;
        if self.replugged && (!is_here || self.belief == Belief::Down) {
            self.replugged = false;
            if !is_here {
                self.belief = Belief::Unknown;
            }
        }
        let goal = if self.replugged {
            Belief::Down
        } else if is_plugged && is_live(object) {
            match self.wired {
                Wired::Yes => Belief::Up,
                Wired::Presumed(moment) if moment <= now => Belief::Up,
                _ => Belief::Unknown,
            }
        } else if is_here && (is_plugged || self.was_plugged) {
            Belief::Down
        } else {
            Belief::Unknown
        };
        match goal {
            Belief::Up if self.belief != Belief::Up => Step::Up,
            Belief::Down if self.belief != Belief::Down => Step::Down,
            _ => Step::Nothing,
        }
    }

    /// Whether a report that it is up says nothing new, and may be sent for what it brings along.
    pub(super) fn is_known_to_be_up(&self) -> bool {
        self.belief == Belief::Up
    }

    /// When silence will mean something.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.wired {
            Wired::Presumed(moment) => Some(moment),
            _ => None,
        }
    }

    /// What the engine reached was for something else.
    fn unsettle(&mut self, now: Instant) {
        self.wired = match self.wired {
            Wired::Yes | Wired::Presumed(_) => Wired::Presumed(now + SILENCE),
            Wired::No | Wired::Unknown => self.wired,
        };
    }
}

/// Whether frames are to pass.
pub(super) fn is_live(object: &PortObject) -> bool {
    let port = &object.sighting.port;
    port.admin_up && port.binding.as_ref().is_some_and(|binding| binding.segment.is_some())
}

fn status(object: &PortObject) -> Belief {
    match object.status {
        PortStatus::Active => Belief::Up,
        PortStatus::Down => Belief::Down,
        PortStatus::Other => Belief::Unknown,
    }
}
