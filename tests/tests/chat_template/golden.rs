//! Four templates of published models on six conversations: text and ids as transformers has them

use std::fs;
use std::path::Path;

use serde_json::Value;
use ternlet::import::chat_template::{Messages, TokenNames, compile};
use ternlet_runtime::{ChatTemplate, Specials, Tokenizer};

use crate::section;

/// The ids of `text`, nothing added.
fn ids(tokenizer: &Tokenizer<'_>, text: &str) -> Vec<u32> {
    let mut scratch = vec![0; Tokenizer::scratch_len(text.len())];
    let mut ids = Vec::new();
    let mut push = |id| {
        ids.push(id);
        Ok(())
    };
    tokenizer.encode(text, Specials::Recognise, &mut scratch, &mut push).expect("room for any text");
    ids
}

#[test]
fn published_templates_render_replay_and_encode_as_in_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/chat_templates.json");
    let golden: Value = serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON");
    let section = section();
    let tokenizer = Tokenizer::parse(&section).expect("a section");
    let conversations = golden["conversations"].as_array().expect("a list");
    let mut n_cases = 0;
    for (name, golden) in golden["templates"].as_object().expect("an object") {
        let text = |key: &str| golden[key].as_str().expect("a string");
        let names = TokenNames { bos_token: Some(text("bos_token")), eos_token: Some(text("eos_token")) };
        let source = text("template");
        let bytes = compile(source, names, &tokenizer).unwrap_or_else(|e| panic!("{name}: {e}"));
        let compiled = ChatTemplate::parse(&bytes).expect("a section");
        for case in golden["cases"].as_array().expect("a list") {
            let number =
                case["conversation"].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
            let messages = Messages::read(conversations[number].to_string().as_bytes()).expect("messages");
            let asks = case["add_generation_prompt"] == true;
            let expected = case["rendered"].as_str().expect("a string");
            assert_eq!(messages.render(source, names, asks).as_deref(), Ok(expected), "{name} {number}");
            let replayed = messages.replay(&compiled, &tokenizer, asks);
            assert_eq!(replayed.as_deref(), Ok(expected), "{name} {number}");
            assert_eq!(serde_json::json!(ids(&tokenizer, expected)), case["ids"], "{name} {number}");
            n_cases += 1;
        }
    }
    assert_eq!(n_cases, 48);
}

#[test]
fn messages_that_are_none_are_refused_with_the_place() {
    let cases = [
        ("[", "JSON list of messages"),
        ("{}", "found an object"),
        ("[]", "found an empty list"),
        ("[3]", "message 1: expected an object with a role and a content, found a number"),
        (r#"[{"content": "a"}]"#, "message 1: expected a role, found none"),
        (r#"[{"role": 1, "content": "a"}]"#, "a role that is a string, found a number"),
        (
            r#"[{"role": "user", "content": "a"}, {"role": "asistant", "content": "b"}]"#,
            "message 2: expected a role among",
        ),
        (r#"[{"role": "user"}]"#, "expected a content, found none"),
        (r#"[{"role": "user", "content": null}]"#, "a list of parts, found null"),
        (r#"[{"role": "user", "content": ["a"]}]"#, "objects with a type, found a string"),
        (r#"[{"role": "user", "content": [{"type": "text"}]}]"#, "a text in each part"),
    ];
    for (json, expected) in cases {
        let found = Messages::read(json.as_bytes()).unwrap_err();
        assert!(found.contains(expected), "{json}: {found}");
    }
    let tools = r#"[{"role": "user", "content": [{"type": "image"}]},
        {"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "3", "name": "f"}]"#;
    assert!(Messages::read(tools.as_bytes()).is_ok());
}

#[test]
fn a_packed_template_takes_the_conversations_that_it_was_proved_for() {
    let section = section();
    let tokenizer = Tokenizer::parse(&section).expect("a section");
    let template = |source: &str| compile(source, TokenNames::default(), &tokenizer).expect("it compiles");
    let plain = template("{% for m in messages %}{{ m.role }} {{ m.content }}|{% endfor %}");
    let refusing = template(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}\
         {{ m.content }}|{% endfor %}",
    );
    let replayed = |section: &[u8], json: &str| {
        let compiled = ChatTemplate::parse(section).expect("a section");
        Messages::read(json.as_bytes()).expect("messages").replay(&compiled, &tokenizer, false)
    };
    let parts =
        r#"[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]"#;
    assert_eq!(replayed(&plain, parts).as_deref(), Ok("user ab|"));
    let cases = [
        (
            &plain,
            r#"[{"role": "assistant", "content": "a"}]"#,
            "message 1: expected the role system or user, found assistant",
        ),
        (
            &plain,
            r#"[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]"#,
            "message 2: expected the role assistant",
        ),
        (
            &plain,
            r#"[{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]"#,
            "message 2: expected the role assistant",
        ),
        (&plain, r#"[{"role": "system", "content": "a"}]"#, "expected a user's message"),
        (&plain, r#"[{"role": "user", "content": [{"type": "image"}]}]"#, "parts of type text"),
        (
            &refusing,
            r#"[{"role": "system", "content": "a"}]"#,
            "message 1: expected the role user, found system",
        ),
    ];
    for (section, json, expected) in cases {
        let found = replayed(section, json).unwrap_err();
        assert!(found.contains(expected), "{json}: {found}");
    }
}
