//! The system message of a model file: its ids, and their keys and values by the runtime itself

use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};

use ternlet_runtime::format::{
    MAX_SYSTEM_TEXT_BYTES, SYSTEM_HEAD_BYTES, SectionEntry, encode_system_head, system_section_bytes,
};
use ternlet_runtime::tokenizer::nfc;
use ternlet_runtime::{ChatTemplate, Config, Role, StdStream, Tokenizer, encode_system};

use super::self_test::with_trial;
use crate::error::Error;
use crate::output_file::OutputFile;

/// Rows of one pass over the message.
const BATCH: u32 = 32;

/// Bytes that a template may put around the message.
const TEMPLATE_TEXT_BYTES: usize = 1 << 16;

/// Head, text and ids of a SYSTEM section.
#[derive(Debug, Clone)]
pub(super) struct SystemHead {
    n_text: usize,
    ids: Vec<u32>,
    bytes: Vec<u8>,
}

impl SystemHead {
    /// Encodes `text` as the sections' tokenizer and template write it at the start of a conversation.
    pub(super) fn new(
        config: &Config,
        tokenizer: &Option<Vec<u8>>,
        template: &Option<Vec<u8>>,
        text: &str,
    ) -> Result<Self, Error> {
        let refuse = |problem: String| Error::new("--system", problem);
        let (Some(tokenizer), Some(template)) = (tokenizer, template) else {
            return Err(refuse("expected a model with a chat template, found one without".into())
                .hint("name one with --chat-template, or leave --system out"));
        };
        let tokenizer = Tokenizer::parse(tokenizer).map_err(|e| refuse(e.to_string()))?;
        let template = ChatTemplate::parse(template).map_err(|e| refuse(e.to_string()))?;
        if !template.has_place(Role::System) {
            let problem = "expected a chat template with a place for a system message, found one without";
            return Err(
                refuse(problem.into()).hint("choose another with --chat-template, or leave --system out")
            );
        }
        if text.is_empty() || text.len() > MAX_SYSTEM_TEXT_BYTES {
            let (max, found) = (MAX_SYSTEM_TEXT_BYTES, text.len());
            return Err(refuse(format!("expected 1 to {max} bytes of text, found {found}"))
                .hint(format_args!("give a text of 1 to {max} bytes")));
        }
        let encode = |text: &str| {
            let n_bytes = text.len() + TEMPLATE_TEXT_BYTES;
            let mut scratch = vec![0; Tokenizer::scratch_len(nfc::MAX_EXPANSION * n_bytes)];
            let mut ids = vec![0; config.max_seq_len.saturating_sub(1) as usize];
            let n = encode_system(&tokenizer, &template, text, &mut ids, &mut vec![0; n_bytes], &mut scratch)
                .map_err(|e| refuse(e.to_string()).hint("shorten the system message"))?;
            ids.truncate(n);
            Ok::<_, Error>(ids)
        };
        let ids = encode(text)?;
        // Ids that another message has too hold nothing of this one.
        if ids == encode(&format!("{text}x"))? {
            let problem = "expected a chat template that ends the system message with a special token, found one \
                           that makes it one text with the user's words";
            return Err(
                refuse(problem.into()).hint("leave --system out; /system sets the message when talking")
            );
        }
        let mut padded_text = text.as_bytes().to_vec();
        padded_text.resize(text.len().next_multiple_of(4), 0);
        let id_bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let n_text = u32::try_from(text.len()).expect("at most MAX_SYSTEM_TEXT_BYTES");
        let head = encode_system_head(&padded_text, n_text, &id_bytes);
        let bytes = [&head[..], &padded_text, &id_bytes].concat();
        Ok(Self { n_text: text.len(), ids, bytes })
    }

    /// Length of the section.
    pub(super) fn section_bytes(&self, config: &Config) -> u64 {
        let n_ids = u32::try_from(self.ids.len()).expect("below max_seq_len");
        system_section_bytes(config, self.n_text, n_ids)
    }

    /// Writes the section at its place in `output`, whose payload is there and whose front is to be `front`.
    pub(super) fn write(&self, output: &OutputFile, entry: &SectionEntry, front: &[u8]) -> Result<(), Error> {
        let failed = |e: io::Error| output.error(&e);
        let mut file = output.file();
        // Until its rows are there the section is one of zeros: the model parses, which does not read them.
        file.set_len(entry.offset + entry.length).map_err(failed)?;
        file.seek(SeekFrom::Start(entry.offset)).map_err(failed)?;
        file.write_all(&self.bytes).map_err(failed)?;
        let n_ids = u32::try_from(self.ids.len()).expect("below max_seq_len");
        with_trial(output.path(), front, n_ids, n_ids.min(BATCH), 1, |session| {
            session.prefill(&self.ids, |_| true).map_err(|e| Error::new("--system", e))?;
            let mut rows = StdStream(BufWriter::new(output.file()));
            session.save_system(self.sum(), &mut rows).map_err(failed)
        })
    }

    /// The checksum of text and ids, at the end of the head.
    fn sum(&self) -> u64 {
        let mut sum = [0; 8];
        sum.copy_from_slice(&self.bytes[SYSTEM_HEAD_BYTES - 8..SYSTEM_HEAD_BYTES]);
        u64::from_le_bytes(sum)
    }
}
