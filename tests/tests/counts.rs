//! No kernel costs more instructions than its record says

use ternlet_tests::counts::Record;

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
}
