//! Encoding speed of a `tokenizer.json`, ours beside the `tokenizers` crate's, in one run
//!
//! `cargo run --release -p ternlet-tests --example tokenizer_speed -- TOKENIZER.json TEXT`: every line of the text is
//! encoded by itself, then the text as a whole; the best of several rounds counts. The ids must be equal.

#![expect(clippy::print_stdout, reason = "the figures are what the program is for")]

use std::time::Instant;

use ternlet::import::tokenizer_file;
use ternlet_runtime::{Specials, Tokenizer};

const ROUNDS: u32 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, text] = &arguments[..] else { panic!("expected the paths of a tokenizer.json and of a text") };
    let text = std::fs::read_to_string(text).expect("a text in UTF-8");
    let section = tokenizer_file::read_file(file.as_ref()).unwrap_or_else(|e| panic!("{e}"));
    let ours = Tokenizer::parse(&section).expect("checked by the packer");
    let theirs = tokenizers::Tokenizer::from_file(file).expect("a file of that crate");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (what, texts) in [("by lines", lines), ("as a whole", vec![&*text])] {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut scratch = vec![0; Tokenizer::scratch_len(longest)];
        let mut encode = |ids: &mut Vec<u32>| {
            for text in &texts {
                let mut push = |id| {
                    ids.push(id);
                    Ok(())
                };
                ours.encode(text, Specials::Recognise, &mut scratch, &mut push)
                    .expect("scratch for every text");
            }
        };
        let our_seconds = best(|ids| encode(ids));
        let their_seconds = best(|ids| {
            for text in &texts {
                ids.extend(theirs.encode_fast(*text, false).expect("ids").get_ids());
            }
        });
        assert_eq!(our_seconds.1, their_seconds.1, "ids differ");
        #[expect(clippy::cast_precision_loss, reason = "a text is far below 2^53 bytes")]
        let megabytes = text.len() as f64 / 1e6;
        println!(
            "{what}: ours {:.1} MB/s, crate {:.1} MB/s, ratio {:.2}",
            megabytes / our_seconds.0,
            megabytes / their_seconds.0,
            their_seconds.0 / our_seconds.0
        );
    }
}

/// The shortest time of a round in seconds, and the ids of the last.
fn best(mut round: impl FnMut(&mut Vec<u32>)) -> (f64, Vec<u32>) {
    let mut best = (f64::INFINITY, Vec::new());
    for _ in 0..ROUNDS {
        let mut ids = Vec::new();
        let start = Instant::now();
        round(&mut ids);
        best = (best.0.min(start.elapsed().as_secs_f64()), ids);
    }
    best
}
