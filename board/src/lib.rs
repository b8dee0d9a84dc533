//! Arm boards, bare metal and Linux.
