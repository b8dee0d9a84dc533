//! No kernel costs more instructions than its record says

use ternlet::pack::synth::{Synth, shape_2b4t};
use ternlet::pack::{HeadForm, Layouts, Target};
use ternlet_tests::counts::{Record, Zeros, token_bytes};
use ternlet_tests::{variants, with_synth_in};

#[test]
fn no_kernel_costs_more_instructions_than_the_record() {
    let (counted, committed) = (Record::count(), Record::committed());
    let complaints = counted.worse_than(&committed);
    assert!(complaints.is_empty(), "{}\n{}", complaints.join("\n"), counted.way_out(&committed));
}

#[test]
fn a_rise_and_a_missing_kernel_are_complaints() {
    let committed = Record::committed();
    let mut counted = committed.clone();
    assert_eq!(counted.worse_than(&committed), Vec::<String>::new());
    counted.kernels[0].per_unit *= 1.019;
    assert_eq!(counted.worse_than(&committed), Vec::<String>::new());
    counted.kernels[0].per_unit *= 1.01;
    assert_eq!(counted.worse_than(&committed).len(), 1);
    // Another compiler's code is compared as well, less strictly.
    counted.compiler = "rustc 1.0.0".to_owned();
    assert_eq!(counted.worse_than(&committed), Vec::<String>::new());
    counted.kernels[0].per_unit *= 1.2;
    assert_eq!(counted.worse_than(&committed).len(), 1);
    counted.kernels.remove(0);
    assert_eq!(counted.worse_than(&committed).len(), 1);
    assert_eq!(committed.worse_than(&counted).len(), 1);
    // Bytes depend on no compiler.
    counted.token_bytes[0].bytes += counted.token_bytes[0].bytes / 40;
    assert_eq!(counted.worse_than(&committed).len(), 2);
}

#[test]
fn a_token_on_a_raspberry_pi_5_reads_what_was_promised_at_most() {
    let megabytes = |gates, inputs| {
        token_bytes(&shape_2b4t(), Target::Pi5, Zeros { gates, inputs }, 128).total().div_ceil(1_000_000)
    };
    assert!(megabytes(0, 0) <= 655, "dense: {} MB", megabytes(0, 0));
    assert!(megabytes(55, 80) <= 510, "55/80 % zeros: {} MB", megabytes(55, 80));
    assert!(megabytes(80, 80) <= 480, "80/80 % zeros: {} MB", megabytes(80, 80));
}

#[test]
fn bytes_from_a_shape_are_those_that_a_packed_model_reports() {
    // Vectors in a file start at multiples of 64 bytes; what lies between is not read.
    for config in variants().into_iter().filter(|config| config.pooling.is_none()) {
        for target in [Target::Any, Target::Pi5] {
            let layouts = Layouts::for_target(target, config.hidden_act);
            let source = Synth::new(config.clone(), 5);
            let expected = token_bytes(&config, target, Zeros::NONE, 0).total();
            with_synth_in(&source, HeadForm::Int8, layouts, |model| {
                assert_eq!(model.weight_bytes_per_token(), expected, "{} for {target:?}", config.name);
            });
        }
    }
}
