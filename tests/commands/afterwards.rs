//! What can be said only after all other tests: run.sh runs these last, on the same servers.

use crate::sandbox::{Sandbox, Vendor, log};

#[test]
#[ignore = "run by run.sh after all other tests"]
fn production_was_only_ever_read() {
    for vendor in Vendor::ALL {
        let commands = log::assert_reads_only(Sandbox::shared(vendor));
        assert!(
            commands > 500,
            "only {commands} commands in the log: is it the log of the whole run?"
        );
    }
}
