//! PL011: Arm's UART, on QEMU virt and every Raspberry Pi
//!
//! Baud rate and line settings stay as the firmware left them: the clock behind the divisors is not
//! known in general (Pi 5: 9.216 MHz for the debug port). Polled; the receive FIFO holds 16 or 32 bytes.
//!
//! Source: Arm PL011 Technical Reference Manual, DDI 0183, chapter 3.

use super::{Registers, Uart};

/// Data register: a read takes the oldest received byte, a write queues one.
const DR: usize = 0x00;
/// Flag register.
const FR: usize = 0x18;
/// Control register.
const CR: usize = 0x30;
/// Interrupt mask: all masked, the driver polls.
const IMSC: usize = 0x38;

/// FR: the transmitter still shifts.
const FR_BUSY: u32 = 1 << 3;
/// FR: nothing received.
const FR_RXFE: u32 = 1 << 4;
/// FR: no room to send.
const FR_TXFF: u32 = 1 << 5;
/// DR: framing, parity or break error of this byte (bits 10:8). Overrun (bit 11) spares the byte.
const DR_DAMAGED: u32 = 0b111 << 8;
/// CR: UART, transmitter and receiver enabled.
const CR_ENABLE: u32 = 1 | 1 << 8 | 1 << 9;

/// A PL011 with its firmware's line settings.
#[derive(Debug, Clone, Copy)]
pub struct Pl011 {
    registers: Registers,
}

impl Pl011 {
    /// Bytes of registers that the driver touches.
    pub const WINDOW_BYTES: usize = 0x3c;

    /// Enables both directions without interrupts; keeps baud rate and format.
    ///
    /// # Panics
    /// If the window is smaller than [`Self::WINDOW_BYTES`].
    #[must_use]
    pub fn new(registers: Registers) -> Self {
        registers.write(IMSC, 0);
        registers.write(CR, registers.read(CR) | CR_ENABLE);
        Self { registers }
    }
}

impl Uart for Pl011 {
    fn read_byte(&self) -> Option<u8> {
        while self.registers.read(FR) & FR_RXFE == 0 {
            let [byte, flags, ..] = self.registers.read(DR).to_le_bytes();
            if (u32::from(flags) << 8) & DR_DAMAGED == 0 {
                return Some(byte);
            }
        }
        None
    }

    fn write_byte(&self, byte: u8) -> bool {
        let has_room = self.registers.read(FR) & FR_TXFF == 0;
        if has_room {
            self.registers.write(DR, u32::from(byte));
        }
        has_room
    }

    fn is_idle(&self) -> bool {
        self.registers.read(FR) & FR_BUSY == 0
    }
}

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "labelled room: plain memory stands in for the device")]

    use super::*;
    use core::ptr::NonNull;
    use std::boxed::Box;

    /// A fake device in ordinary memory, for ever.
    fn device() -> Registers {
        let words: &'static mut [u32; 16] = Box::leak(Box::new([0; 16]));
        // SAFETY: the leaked array is 64 mapped bytes that nobody else refers to.
        unsafe { Registers::new(NonNull::from(words).cast(), 64) }
    }

    #[test]
    fn a_full_transmitter_refuses_the_byte() {
        let registers = device();
        let uart = Pl011::new(registers);
        assert_eq!(registers.read(CR), CR_ENABLE);
        assert!(uart.write_byte(b'a') && registers.read(DR) == u32::from(b'a'));
        registers.write(FR, FR_TXFF | FR_BUSY);
        assert!(!uart.write_byte(b'b') && registers.read(DR) == u32::from(b'a') && !uart.is_idle());
    }

    #[test]
    fn bytes_arrive_only_when_the_fifo_has_some() {
        let registers = device();
        let uart = Pl011::new(registers);
        registers.write(DR, u32::from(b'x'));
        registers.write(FR, FR_RXFE);
        assert_eq!(uart.read_byte(), None);
        registers.write(FR, 0);
        assert_eq!(uart.read_byte(), Some(b'x'));
    }
}
