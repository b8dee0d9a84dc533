//! `ternlet render` from outside: exact text, ids on one line, refusals

use crate::program::{Folder, feed, model, refusal, run, ternlet};

const TEMPLATE: &str = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}\
    {% if add_generation_prompt %}{{ bos_token }}>{% endif %}";

#[test]
fn a_template_writes_its_text_and_nothing_else() {
    let folder = Folder::new();
    let template = folder.write("t.jinja", TEMPLATE.as_bytes());
    let mut command = ternlet();
    command.args(["render", "--template", &template, "--messages", "-", "--bos-token", "<s>"]);
    let messages = r#"[{"role": "user", "content": "<a> & \"b\" \u4f60"}]"#;
    let output = feed(command, messages.as_bytes());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[user] <a> & \"b\" \u{4f60}\n<s>>");
    assert!(output.status.success() && output.stderr.is_empty());

    let messages = folder.write("m.json", messages.as_bytes());
    let output = run(&["render", "--template", &template, "--messages", &messages, "--no-generation-prompt"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[user] <a> & \"b\" \u{4f60}\n");

    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tokenizer_llama3_like/tokenizer.json");
    let with_ids = ["render", "--template", &template, "--messages", &messages, "--ids"];
    let stderr = refusal(&run(&with_ids), 1);
    assert!(stderr.contains("--tokenizer tokenizer.json"), "{stderr}");
    let output = run(&[&with_ids[..], &["--tokenizer", golden]].concat());
    let ids: Vec<u32> = serde_json::from_slice(&output.stdout).expect("a list of ids");
    assert!(ids.len() > 5 && output.stdout.ends_with(b"]\n"), "{ids:?}");
}

#[test]
fn a_packed_model_replays_its_template_as_text_and_as_ids() {
    let folder = Folder::new();
    let messages = folder.write("m.json", br#"[{"role": "user", "content": "set gpio 17 high"}]"#);
    let text = run(&["render", model(), "--messages", &messages]);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(text.contains("set gpio 17 high") && !text.ends_with("set gpio 17 high"), "{text}");
    let output = run(&["render", model(), "--messages", &messages, "--ids"]);
    let ids = String::from_utf8(output.stdout).expect("UTF-8");
    let mut decode = ternlet();
    decode.args(["tokenize", model(), "--decode"]);
    let decoded = feed(decode, ids.as_bytes()).stdout;
    assert_eq!(serde_json::from_slice::<String>(&decoded).expect("a string"), text);
}

#[test]
fn what_cannot_be_rendered_is_said() {
    let folder = Folder::new();
    let refusing = folder.write("t.jinja", b"{{ raise_exception('roles must alternate') }}");
    let good = folder.write("m.json", br#"[{"role": "user", "content": "a"}]"#);
    let bad = folder.write("bad.json", br#"[{"role": "user"}]"#);
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--template", &refusing, "--messages", &good], 1, "roles must alternate"),
        (&["--template", &refusing, "--messages", &bad], 1, "bad.json: message 1: expected a content"),
        (&[&refusing, "--messages", &good], 1, "a Jinja template is given with --template"),
        (&["--template", "none.jinja", "--messages", &good], 1, "none.jinja"),
        (&["--messages", &good], 2, "--template"),
        (&[model(), "--messages", &good, "--bos-token", "x"], 2, "--bos-token"),
    ];
    for (flags, status, expected) in cases {
        let stderr = refusal(&run(&[&["render"], flags].concat()), status);
        assert!(stderr.contains(expected), "{flags:?}: {stderr}");
    }
}
