//! Recorded messages.
