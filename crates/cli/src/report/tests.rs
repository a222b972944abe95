//! The page: whole, closed in itself, and true to the record.

use perch_testkit::at;

use super::page;
use crate::scenes::judged;

#[test]
fn look() {
    for (name, judged) in [
        ("healthy", judged::healthy()),
        ("failing", judged::failing()),
        ("slow", judged::slow_canary()),
        ("undecided", judged::undecided()),
        ("unsure", judged::unsure()),
        ("long", judged::long()),
    ] {
        let now = judged.journal.last().unwrap().at;
        let page = page(&judged.release, judged.journal, now).unwrap();
        std::fs::create_dir_all("/tmp/pages").unwrap();
        std::fs::write(format!("/tmp/pages/{name}.html"), page).unwrap();
    }
    let _ = at(0);
}
