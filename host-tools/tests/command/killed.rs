//! A run that is ended from outside leaves no output, and none that `verify` accepts

use core::time::Duration;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread::sleep;

use crate::program::{Folder, run, ternlet};

/// Starts to write a model of 104 million weights into `folder` and sends `signal` after `delay`. Whether that came in
/// time: the run may also have ended by itself.
fn killed(folder: &Folder, signal: &str, delay: Duration) -> bool {
    let mut synth = ternlet();
    synth.args(["synth", "--shape", "125m", "-o", &folder.file("out.tern")]);
    // In a group of its own: where the program is emulated, the emulator and its time limit end with it.
    synth.process_group(0);
    let mut child = synth.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    sleep(delay);
    let kill = Command::new("kill").args(["-s", signal, "--", &format!("-{}", child.id())]).status();
    assert!(kill.expect("every system has it").success());
    !child.wait().expect("it ends").success()
}

#[test]
fn whenever_a_run_is_killed_there_is_no_file_or_a_whole_one() {
    // At the start, into the payload, and as far as the run gets in half a second.
    for (signal, delays) in [("KILL", &[10, 100, 500][..]), ("TERM", &[100, 500]), ("INT", &[100])] {
        for &milliseconds in delays {
            let folder = Folder::new();
            let was_killed = killed(&folder, signal, Duration::from_millis(milliseconds));
            let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().collect();
            for entry in &left {
                let path = entry.path();
                let verified = run(&["verify", path.to_str().expect("UTF-8")]).status.success();
                assert_eq!(verified, path.ends_with("out.tern"), "{signal}, {milliseconds} ms: {path:?}");
            }
            assert!(
                was_killed || left.len() == 1,
                "{signal}, {milliseconds} ms: ended well without an output"
            );
            // The others may be ignored, as in a shell's background jobs.
            assert!(signal != "KILL" || milliseconds > 10 || was_killed, "no run is that fast");
        }
    }
}
