//! Ternary tensors in every layout and order: what is accepted, and the rejections that concern them

use ternlet_runtime::LoadError;

use super::image::{CONFIG, TENSORS, W_DOWN, W_UP};
use super::rejections::{parse, payload_refused, refused};

const I2: u16 = 16;
const TL1: u16 = 17;
const TL2: u16 = 18;
const T5: u16 = 19;

#[test]
fn rows_lie_together_in_every_layout_and_columns_of_w_down_in_those_that_have_any() {
    for code in [I2, TL1, TL2, T5] {
        assert_eq!(parse(|image| image.store(W_UP, code, 0)), Ok(()), "w_up, layout {code}");
        assert_eq!(parse(|image| image.store(W_DOWN, code, 0)), Ok(()), "w_down, layout {code}");
    }
    for code in [I2, TL2, T5] {
        assert_eq!(parse(|image| image.store(W_DOWN, code, 1)), Ok(()), "layout {code}");
    }
}

#[test]
fn r27_columns_where_rows_must_be() {
    let expected = LoadError::UnsupportedOrder { index: 0 };
    // tl1, a third order, another tensor, another activation.
    refused(expected, |image| {
        image.put_entry(W_DOWN, 4, &TL1.to_le_bytes());
        image.put_entry(W_DOWN, 6, &[1]);
    });
    refused(expected, |image| image.put_entry(W_DOWN, 6, &[2]));
    for code in [I2, TL2, T5] {
        refused(expected, |image| {
            image.put_entry(W_UP, 4, &code.to_le_bytes());
            image.put_entry(W_UP, 6, &[1]);
        });
        refused(expected, |image| {
            image.store(W_DOWN, code, 1);
            image.put(CONFIG, 36, &1_u32.to_le_bytes());
        });
    }
}

#[test]
fn r31_the_length_of_another_layout_or_order() {
    let expected = LoadError::TensorPlacement { index: 0, expected: (0, 0), found: (0, 0) };
    // [12, 8] in i2: 192 bytes, tl1 64. [8, 12] by row 128 bytes, by column 192.
    refused(expected, |image| image.put_entry(W_UP, 4, &TL1.to_le_bytes()));
    refused(expected, |image| image.put_entry(W_DOWN, 6, &[1]));
}

/// A code that no packer writes and padding that is not zero, in rows, columns and tiles of each layout.
#[test]
fn r37_trits_of_every_layout() {
    // The tensor is [12, 8] (w_up) or [8, 12] (w_down). Where a bad byte stands in the tensor, and the row, column or
    // first row of the tile that it is in.
    let cases = [
        (W_UP, TL1, 0, [(5, 0x4f), (48 + 5, 0xf4), (16 + 12, 0x45)], 0),
        (W_UP, TL2, 0, [(32, 0b11), (32 + 8, 0b0001_0110), (32, 0xff)], 2),
        (W_UP, T5, 0, [(32, 0x80), (32 + 9, 1), (32 + 15, 0x55)], 2),
        (W_DOWN, I2, 1, [(48, 0b11), (48 + 8, 0b0001_0110), (48 + 3, 0b0001_0000)], 3),
        (W_DOWN, TL2, 1, [(48, 0b11), (48 + 8, 0b0001_0110), (48 + 3, 0b0001_0000)], 3),
        (W_DOWN, T5, 1, [(48, 0x80), (48 + 9, 1), (48 + 15, 0x55)], 3),
    ];
    for (index, code, order, bad_bytes, row) in cases {
        for (at, byte) in bad_bytes {
            let expected = LoadError::InvalidTrits { index: u32::try_from(index).unwrap(), row };
            payload_refused(expected, |image| {
                image.store(index, code, order);
                let offset = image.tensor_offset(index) + at;
                image.put(TENSORS, offset, &[byte]);
                image.seal_payload();
            });
        }
    }
}
