//! Support code of the cross-crate tests.
