//! The test harness: sandboxed nodes with a real Open vSwitch, guests and virtual machines.
