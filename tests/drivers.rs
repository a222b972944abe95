//! The page of the drivers says what the code says.

use perch_core::release::Kind;
use perch_tests::text;

#[test]
fn the_table_of_the_drivers_is_that_of_the_code() {
    let page = text("docs/drivers.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let said = |can: bool| if can { "yes" } else { "no" };
    let expected = Kind::ALL.map(|kind| {
        let can = kind.capabilities();
        let (hooks, stop, address) =
            (said(can.hooks), said(can.stop_with_rollback), said(can.address));
        format!("| {kind} | {} | {hooks} | {} | {stop} | {address} |", can.weights, can.pause)
    });
    assert_eq!(rows, expected);
}
