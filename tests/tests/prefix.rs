//! Prefix files: what is restored has the bits of what was computed, and damage is found before it is used

#[path = "prefix/damage.rs"]
mod damage;
#[path = "prefix/same_bits.rs"]
mod same_bits;
#[path = "prefix/support.rs"]
mod support;
