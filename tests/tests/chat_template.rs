//! Chat templates: what compiles, what is refused, what the device replays

#[path = "chat_template/documented.rs"]
mod documented;
#[path = "chat_template/golden.rs"]
mod golden;

use std::path::PathBuf;

use ternlet::import::chat_template::{TokenNames, compile};
use ternlet::import::tokenizer_file;
use ternlet_runtime::{ChatContent, ChatItem, ChatTemplate, ChatTemplateError, Role, Tokenizer};

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
    assert!(template.opening(false).eq([]));
    assert!(template.opening(true).eq([ChatItem::Text("System: ")]));
    assert!(template.after_system().eq([EOT]));
    assert!(template.before_user().eq([ChatItem::Text("User: ")]));
    assert!(template.between().eq([EOT, ChatItem::Text("Assistant: ")]));
    assert!(template.after_answer().eq([EOT]));
    for is_answered in [false, true] {
        assert!(template.end(is_answered, false).eq([EOT]));
        assert!(template.end(is_answered, true).eq([EOT, ChatItem::Text("Assistant: ")]));
    }
    assert!(Role::ALL.into_iter().all(|role| template.has_place(role)));
    for content in ChatContent::ALL {
        assert_eq!(template.trim(content, "\u{1c}\u{a0} a b\n"), "a b");
    }
}

#[test]
fn tokens_in_template_text_become_ids_between_stretches_of_text() {
    let bytes = compiled(HEADERS).unwrap();
    let template = ChatTemplate::parse(&bytes).unwrap();
    let header = |name| [START_HEADER, ChatItem::Text(name), END_HEADER, ChatItem::Text("\n\n")];
    assert!(template.opening(false).eq([BOS]));
    assert!(template.opening(true).eq([BOS].into_iter().chain(header("system"))));
    assert!(template.before_user().eq(header("user")));
    assert!(template.end(false, true).eq([EOT].into_iter().chain(header("assistant"))));
    assert!(template.after_answer().eq([EOT]));
}

#[test]
fn what_differs_at_the_start_and_at_the_end_is_kept_by_place() {
    let source = "{{ bos_token }}{% if messages[0].role != 'system' %}S Be kind.{{ eos_token }}{% endif %}\
        {% for m in messages %}{{ m.role[0] | upper }} {{ m.content }}\
        {% if not loop.last %}{{ eos_token }}{% endif %}{% endfor %}\
        {% if add_generation_prompt %}{{ eos_token }}A {% endif %}";
    let bytes = compiled(source).unwrap();
    let template = ChatTemplate::parse(&bytes).unwrap();
    let text = ChatItem::Text;
    assert!(template.opening(false).eq([BOS, text("S Be kind.")]));
    assert!(template.opening(true).eq([BOS, text("S ")]));
    assert!(template.after_system().eq([]) && template.before_user().eq([EOT, text("U ")]));
    assert!(template.between().eq([EOT, text("A ")]) && template.after_answer().eq([]));
    for is_answered in [false, true] {
        assert!(template.end(is_answered, false).eq([]));
        assert!(template.end(is_answered, true).eq([EOT, text("A ")]));
    }
    assert!(!template.system_opens_turn());
}

#[test]
fn a_system_message_inside_the_first_turn_opens_it() {
    // In the manner of Llama 2: white space goes around each turn, of which the system message is the middle.
    let source = "{% for m in messages %}{% if m.role == 'system' %}{% elif m.role == 'user' %}\
        {% set text = m.content %}{% if loop.index0 == 1 and messages[0].role == 'system' %}\
        {% set text = '<<SYS>>' ~ messages[0].content ~ '<</SYS>>' ~ text %}{% endif %}\
        {{ bos_token ~ '[INST] ' ~ text.strip() ~ ' [/INST]' }}\
        {% else %}{{ ' ' ~ m.content.strip() ~ ' ' ~ eos_token }}{% endif %}{% endfor %}";
    let bytes = compiled(source).unwrap();
    let template = ChatTemplate::parse(&bytes).unwrap();
    let text = ChatItem::Text;
    assert!(
        template.system_opens_turn()
            && [false, true].map(|system| template.starts_with(2038, system)) == [true; 2]
    );
    assert!(template.opening(false).eq([]) && template.before_user().eq([BOS, text("[INST] ")]));
    assert!(template.opening(true).eq([BOS, text("[INST] <<SYS>>")]));
    assert!(template.after_system().eq([text("<</SYS>>")]));
    assert!(template.end(false, true).eq([text(" [/INST]")]));
    let trimmed = ChatContent::ALL.map(|content| template.trim(content, " x "));
    assert_eq!(trimmed, [" x ", "x", "x", " x"]);
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
        assert_eq!(template.refuses_system(), source == refused);
        assert_eq!(template.trim(ChatContent::User, " a "), " a ");
        assert!(template.opening(false).eq([BOS]));
    }
}

#[test]
fn a_template_that_does_not_reduce_is_refused_with_the_reason() {
    let cases = [
        ("{% for m in messages %}", "not valid Jinja"),
        ("{{ strftime_now('%d') }}{% for m in messages %}{{ m.content }}{% endfor %}", "the date"),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}{{ messages | length }}", "depends on"),
        ("{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}", "depends on"),
        ("{% for m in messages %}{{ m.content | replace('\\n', ' ') }}|{% endfor %}", "more than roles"),
        (
            "{% for m in messages %}{% if loop.index < 5 %}{{ m.content }}|{% endif %}{% endfor %}",
            "more than roles",
        ),
        ("{{ messages[0].content }}", "content of each"),
        ("{{ raise_exception('never') }}", "refuses a conversation of [user]: never"),
        ("{% for m in messages %}{{ m.content.zfill(3) }}{% endfor %}", "the method zfill is not supported"),
        ("{% for i in range(2000) %}{% for j in range(2000) %}.{% endfor %}{% endfor %}", "fuel"),
        ("{% for i in range(100000) %}.{% endfor %}", "values larger than any prompt"),
    ];
    for (source, reason) in cases {
        let found = compiled(source).unwrap_err();
        assert!(found.contains(reason), "{source}: {found}");
    }
}

/// The number of items in all lists, some of them counted twice.
fn items_of(template: &ChatTemplate<'_>) -> usize {
    let ends = [(false, false), (false, true), (true, false), (true, true)];
    let ends = ends.map(|(is_answered, asks)| template.end(is_answered, asks).count());
    let middle = [template.opening(false), template.opening(true), template.between()].map(Iterator::count);
    let single =
        [template.after_system(), template.before_user(), template.after_answer()].map(Iterator::count);
    ends.into_iter().chain(middle).chain(single).sum()
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
    // A template that trims all contents has no flags for single ones; one by role has no turn that a system message
    // opens; only a role without a place is refused.
    for (at, bits) in [(0, 0x80), (1, 1), (0, 0x21), (0, 0x41), (3, 1)] {
        assert_eq!(refusal(at, bits), ChatTemplateError::ReservedNotZero { offset: 0 });
    }
    for at in [40, 44] {
        assert_eq!(refusal(at + 3, 1), ChatTemplateError::ReservedNotZero { offset: at });
    }
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
            assert!(items_of(&template) <= 2 * bytes.len());
        }
        damaged[at] = bytes[at];
    }
}
