//! Controller drivers: whatever tells the node what should exist, turned into a Desired.
