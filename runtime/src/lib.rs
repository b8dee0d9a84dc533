//! Runtime for ternary language models in one fixed arena.
#![no_std]
