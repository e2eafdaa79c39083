//! OpenFlow client.
