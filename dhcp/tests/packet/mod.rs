//! Tables, requests and answers as text.

#![allow(dead_code)] // Each test binary uses a part.

pub(crate) mod request;
pub(crate) mod table;
pub(crate) mod text;
