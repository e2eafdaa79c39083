//! The metadata proxy.
