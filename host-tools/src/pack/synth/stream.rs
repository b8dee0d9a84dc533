//! Random numbers that are the same on every machine

/// `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub(super) struct Stream(pub(super) u64);

impl Stream {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1), from 16 bits: as fine as a bf16 can show.
    pub(super) fn unit(&mut self) -> f32 {
        let random = self.next().to_le_bytes();
        let sixteen = i16::from_le_bytes([random[6], random[7]]);
        f32::from(sixteen) / 32768.0
    }
}
