//! Chat templates: what compiles, what is refused, what the device replays

use std::path::PathBuf;

use ternlet::import::chat_template::{TokenNames, compile};
use ternlet::import::tokenizer_file;
use ternlet_runtime::{ChatItem, ChatTemplate, ChatTemplateError, Role, Tokenizer};

/// The tokenizer of `golden/`: has the special tokens of Llama 3 under other ids.
fn section() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizer_llama3_like/tokenizer.json");
    tokenizer_file::read_file(&path).expect("a supported tokenizer")
}

fn compiled(source: &str) -> Result<Vec<u8>, String> {
    let section = section();
    let tokenizer = Tokenizer::parse(&section).map_err(|e| e.to_string())?;
    let names = TokenNames { bos_token: Some("<|begin_of_text|>"), eos_token: Some("<|eot_id|>") };
    compile(source, names, &tokenizer)
}

const BOS: ChatItem<'_> = ChatItem::Special(2038);
const START_HEADER: ChatItem<'_> = ChatItem::Special(2044);
const END_HEADER: ChatItem<'_> = ChatItem::Special(2045);
const EOT: ChatItem<'_> = ChatItem::Special(2047);

/// The template of BitNet b1.58 2B-4T.
const BITNET: &str = "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] | trim \
    + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

/// In the manner of Llama 3: headers, and the first message carries the token that begins the text.
const HEADERS: &str = "{%- for m in messages -%}
    {% set text = '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' ~ m.content.strip() ~ eos_token %}
    {% if loop.first %}{% set text = bos_token ~ text %}{% endif %}
    {{- text -}}
{%- endfor -%}
{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";

#[test]
fn the_template_of_2b_4t_reduces_to_names_and_end_of_turn() {
    let bytes = compiled(BITNET).unwrap();
    let template = ChatTemplate::parse(&bytes).unwrap();
    assert_eq!(template.start().count(), 0);
    assert!(template.generation_prompt().eq([ChatItem::Text("Assistant: ")]));
    for (role, name) in Role::ALL.into_iter().zip(["System: ", "User: ", "Assistant: "]) {
        assert!(template.has_place(role));
        assert!(template.before(role).eq([ChatItem::Text(name)]));
        assert!(template.after(role).eq([EOT]));
    }
    assert!(template.trims_content());
}

#[test]
fn tokens_in_template_text_become_ids_between_stretches_of_text() {
    let bytes = compiled(HEADERS).unwrap();
    let template = ChatTemplate::parse(&bytes).unwrap();
    assert!(template.start().eq([BOS]));
    let header = |name| [START_HEADER, ChatItem::Text(name), END_HEADER, ChatItem::Text("\n\n")];
    assert!(template.before(Role::System).eq(header("system")));
    assert!(template.before(Role::User).eq(header("user")));
    assert!(template.generation_prompt().eq(header("assistant")));
    assert!(template.after(Role::Assistant).eq([EOT]));
    assert!(template.trims_content());
}

#[test]
fn a_role_without_a_place_is_said_so() {
    let left_out = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}U {{ m.content }} A {% elif \
                    m.role == 'assistant' %}{{ m.content }}.{% endif %}{% endfor %}";
    let refused = "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') \
                   }}{% endif %}[{{ m.content }}]{% endfor %}";
    for source in [left_out, refused] {
        let bytes = compiled(source).unwrap();
        let template = ChatTemplate::parse(&bytes).unwrap();
        assert!(!template.has_place(Role::System) && template.has_place(Role::User), "{source}");
        assert!(!template.trims_content());
        assert!(template.start().eq([BOS]));
    }
}

#[test]
fn a_template_that_does_not_reduce_is_refused_with_the_reason() {
    let cases = [
        ("{% for m in messages %}", "not valid Jinja"),
        ("{{ strftime_now('%d') }}{% for m in messages %}{{ m.content }}{% endfor %}", "the date"),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}{{ messages | length }}", "depends on"),
        ("{% for m in messages %}{{ m.content }}{% if loop.last %}!{% endif %}.{% endfor %}", "depends on"),
        ("{% for m in messages %}{{ m.content | replace('\\n', ' ') }}|{% endfor %}", "more than roles"),
        (
            "{% for m in messages %}{% if loop.index < 5 %}{{ m.content }}|{% endif %}{% endfor %}",
            "more than roles",
        ),
        ("{{ messages[0].content }}", "content of each"),
        ("{{ raise_exception('never') }}", "refuses a conversation of user and assistant: never"),
        ("{% for m in messages %}{{ m.content.zfill(3) }}{% endfor %}", "the method zfill is not supported"),
        ("{% for i in range(100000) %}{% for j in range(100000) %}.{% endfor %}{% endfor %}", "fuel"),
    ];
    for (source, reason) in cases {
        let found = compiled(source).unwrap_err();
        assert!(found.contains(reason), "{source}: {found}");
    }
}

/// Changes one byte of a compiled template and returns the refusal.
fn refusal(at: usize, byte: u8) -> ChatTemplateError {
    let mut bytes = compiled(HEADERS).expect("a template that compiles");
    bytes[at] = byte;
    ChatTemplate::parse(&bytes).map(|_| ()).expect_err("a refusal")
}

/// Where the items of a template start, by `FORMAT.md`.
const ITEMS: usize = 48;

#[test]
fn c1_another_length_than_the_counts_demand() {
    assert!(matches!(refusal(4, 0), ChatTemplateError::WrongLength { .. }));
    let error = ChatTemplate::parse(&[0; 47]).map(|_| ());
    assert_eq!(error, Err(ChatTemplateError::WrongLength { need: 48, have: 47 }));
}

#[test]
fn c2_an_undefined_flag_or_reserved_byte() {
    assert_eq!(refusal(0, 16), ChatTemplateError::ReservedNotZero { offset: 0 });
    assert_eq!(refusal(47, 1), ChatTemplateError::ReservedNotZero { offset: 44 });
}

#[test]
fn c3_list_ends_that_do_not_ascend() {
    assert_eq!(refusal(8, 200), ChatTemplateError::BadListEnd { list: 1 });
}

#[test]
fn c4_an_item_whose_text_does_not_follow() {
    // The first item is a special token; giving it text leaves none for what follows.
    assert_eq!(refusal(ITEMS + 4, 1), ChatTemplateError::BadItem { item: 0 });
}

#[test]
fn c5_text_that_is_not_utf_8() {
    let bytes = compiled(HEADERS).unwrap();
    assert_eq!(refusal(bytes.len() - 1, 0xff), ChatTemplateError::NotUtf8 { item: n_items(&bytes) - 4 });
}

/// The number of items: the end of the last list. Three end-of-turn tokens follow the last text.
fn n_items(bytes: &[u8]) -> usize {
    usize::from(bytes[36])
}

#[test]
fn c6_an_id_beyond_any_vocabulary() {
    assert_eq!(refusal(ITEMS + 2, 0x10), ChatTemplateError::IdOutOfRange { item: 0, found: 0x10_07f6 });
}

#[test]
fn any_damaged_byte_gives_an_error_or_a_template_that_replays() {
    let bytes = compiled(HEADERS).unwrap();
    for end in 0..bytes.len() {
        let error = ChatTemplate::parse(&bytes[..end]).map(|_| ()).unwrap_err();
        assert!(matches!(error, ChatTemplateError::WrongLength { .. }), "{end}: {error}");
    }
    let mut damaged = bytes.clone();
    for at in 0..bytes.len() {
        for byte in (0..8).map(|bit| bytes[at] ^ 1 << bit).chain([0, 0xff]) {
            damaged[at] = byte;
            let Ok(template) = ChatTemplate::parse(&damaged) else { continue };
            let lists = Role::ALL.into_iter().flat_map(|role| [template.before(role), template.after(role)]);
            let items = lists.chain([template.start(), template.generation_prompt()]).flatten();
            assert!(items.count() <= bytes.len());
        }
        damaged[at] = bytes[at];
    }
}
