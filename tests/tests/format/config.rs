//! The rejections of FORMAT.md that concern the config record

use ternlet_runtime::LoadError;

use super::image::{CONFIG, VOCAB_SIZE};
use super::rejections::refused;

#[test]
fn r19_config_integers() {
    let expected = LoadError::ConfigOutOfRange { field: "", min: 0, max: 0, found: 0 };
    // dim, hidden_dim, n_layers, n_heads, n_kv_heads, head_dim, vocab_size, max_seq_len
    for offset in (0..32).step_by(4) {
        for value in [0, u32::MAX, 1 << 24] {
            refused(expected, |image| image.put(CONFIG, offset, &value.to_le_bytes()));
        }
    }
    // bos, n_eos, eos, name_len
    for (offset, value) in [(44, VOCAB_SIZE), (56, 9), (60, VOCAB_SIZE), (104, 65)] {
        refused(expected, |image| image.put(CONFIG, offset, &value.to_le_bytes()));
    }
    // 512 * 256 is more than a width may be.
    refused(expected, |image| {
        image.put(CONFIG, 12, &256_u32.to_le_bytes());
        image.put(CONFIG, 20, &512_u32.to_le_bytes());
    });
}

#[test]
fn r20_config_multiples() {
    let expected = LoadError::ConfigNotMultiple { field: "", found: 0, divisor: 0 };
    refused(expected, |image| {
        image.put(CONFIG, 12, &3_u32.to_le_bytes());
        image.put(CONFIG, 16, &2_u32.to_le_bytes());
    });
    refused(expected, |image| image.put(CONFIG, 20, &5_u32.to_le_bytes()));
}

#[test]
fn r21_config_floats() {
    let expected = LoadError::ConfigBadFloat { field: "", found: 0.0 };
    for value in [f32::NAN, f32::INFINITY, -1.0] {
        // norm_eps, temperature, top_p
        for offset in [32, 92, 100] {
            refused(expected, |image| image.put(CONFIG, offset, &value.to_le_bytes()));
        }
        refused(expected, |image| image.put(CONFIG, 48, &f64::from(value).to_le_bytes()));
    }
    // linear_norm_eps, behind its flag
    for value in [f32::NAN, f32::INFINITY, -1.0, 0.0] {
        refused(expected, |image| {
            image.put(CONFIG, 40, &0b10_0111_u32.to_le_bytes());
            image.put(CONFIG, 172, &value.to_le_bytes());
        });
    }
    for offset in [32, 100] {
        refused(expected, |image| image.put(CONFIG, offset, &0_f32.to_le_bytes()));
    }
    refused(expected, |image| image.put(CONFIG, 100, &1.5_f32.to_le_bytes()));
}

#[test]
fn r22_config_codes() {
    let expected = LoadError::ConfigUnknownCode { field: "", found: 0 };
    refused(expected, |image| image.put(CONFIG, 36, &2_u32.to_le_bytes()));
    refused(expected, |image| image.put(CONFIG, 40, &0b100_0111_u32.to_le_bytes()));
    refused(expected, |image| image.put(CONFIG, 176, &2_u32.to_le_bytes()));
}

#[test]
fn r23_config_name() {
    for name in [b"a\x1b[m", b"\xff\xff\xff\xff"] {
        refused(LoadError::ConfigBadName, |image| image.put(CONFIG, 108, name));
    }
}

#[test]
fn r24_config_reserved() {
    // The second eos id, a byte after the name, linear_norm_eps, the tail; and a bos id without its flag.
    for offset in [64, 112, 172, 180, 191] {
        refused(LoadError::ConfigReservedNotZero { offset: 0 }, |image| image.put(CONFIG, offset, &[1]));
    }
    refused(LoadError::ConfigReservedNotZero { offset: 0 }, |image| image.put(CONFIG, 40, &[0b011]));
}
