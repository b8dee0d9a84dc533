//! The UART that this board has, chosen at run time

use super::{Pl011, Uart};

/// One of the kinds of UART; another kind is another variant.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Port {
    /// Arm PL011.
    Pl011(Pl011),
}

impl Uart for Port {
    fn read_byte(&self) -> Option<u8> {
        match self {
            Self::Pl011(uart) => uart.read_byte(),
        }
    }

    fn write_byte(&self, byte: u8) -> bool {
        match self {
            Self::Pl011(uart) => uart.write_byte(byte),
        }
    }

    fn is_idle(&self) -> bool {
        match self {
            Self::Pl011(uart) => uart.is_idle(),
        }
    }
}
