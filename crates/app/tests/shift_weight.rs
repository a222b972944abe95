//! Moving the alias to the weight of a step.

use perch_app::ports::{PortError, Route};
use perch_app::shift_weight;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_core::journal::What;
use perch_core::phase::Phase;
use perch_core::weight::Weight;
use perch_testkit::invariants::broken_always;
use perch_testkit::{Fault, Paused, World, at, release, target};

async fn shift(world: &World) -> Result<StepOutput, StepError> {
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    shift_weight::run(&world.store, &world.lambda, &input, at(5)).await
}

fn route(world: &World) -> Route {
    world.route(target().build().service.lambda.as_ref().unwrap())
}

fn split(percent: u8) -> Route {
    let split = Some(("2".parse().unwrap(), Weight::new(percent).unwrap()));
    Route { primary: "1".parse().unwrap(), split }
}

fn writes(world: &World) -> usize {
    world.lambda.routes(target().build().service.lambda.as_ref().unwrap()).len() - 1
}

#[tokio::test]
async fn the_alias_is_moved_read_back_and_then_called_shifted() {
    let world = World::amid(&release().shifting(0).build());
    let output = shift(&world).await.unwrap();
    assert_eq!((output.next.as_str(), output.wait_seconds), ("Judge", 60));
    let calls = ["release", "alias", "standing", "shift", "alias", "commit"];
    assert_eq!(world.calls.log(), calls, "the fence is checked after the alias was read");
    assert_eq!(route(&world), split(10));
    let release = world.release(&"news-1".parse().unwrap());
    let weight = Weight::new(10).unwrap();
    assert_eq!(release.phase, Phase::Baking { step: 0, weight, since: at(5) });
    let last = world.journal(&release.id).pop().unwrap();
    assert_eq!(
        (last.what, last.cause.as_str()),
        (What::WeightShifted, "10% of traffic on the canary")
    );
    let hint = release.ledger.as_ref().unwrap().alias().unwrap().revision.clone();
    assert_eq!(
        hint,
        world.lambda.now(release.plan.driver.alias().unwrap()).revision,
        "an alarm needs no read"
    );
}

#[tokio::test]
async fn a_repeated_shift_moves_nothing_again() {
    let world = World::amid(&release().shifting(1).build());
    shift(&world).await.unwrap();
    let journal = world.journal(&"news-1".parse().unwrap()).len();
    assert_eq!(shift(&world).await.unwrap().next, "Judge");
    assert_eq!((route(&world), writes(&world)), (split(50), 2), "one to place the test at 10%");
    assert_eq!(world.journal(&"news-1".parse().unwrap()).len(), journal);
}

#[tokio::test]
async fn a_shift_whose_answer_was_lost_is_not_made_twice() {
    for lost in ["shift", "commit"] {
        let world = World::amid(&release().shifting(0).build());
        world.calls.inject(Fault::of(lost).after());
        shift(&world).await.unwrap_err();
        assert_eq!(shift(&world).await.unwrap().next, "Judge", "{lost}");
        assert_eq!((route(&world), writes(&world)), (split(10), 1), "{lost}");
        assert_eq!(broken_always(&world), [""; 0]);
    }
}

#[tokio::test]
async fn a_shift_under_a_taken_fence_ends_and_moves_nothing() {
    for before in ["release", "alias", "standing"] {
        let world = World::amid(&release().shifting(0).build());
        let paused = Paused::new(&world.calls, shift(&world)).before(before);
        world.store.change(|items| items.heads.values_mut().for_each(|head| head.fence += 1));
        assert_eq!(paused.finish().unwrap().next, "End", "taken before {before}");
        assert_eq!(writes(&world), 0);
    }
}

#[tokio::test]
async fn an_alias_that_changed_between_read_and_write_is_a_conflict_and_is_read_again() {
    let world = World::amid(&release().shifting(0).build());
    let paused = Paused::new(&world.calls, shift(&world)).before("shift");
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &Route::all_on(&"1".parse().unwrap()));
    let error = paused.finish().unwrap_err();
    assert!(matches!(error, StepError::Port(PortError::Conflict { .. })), "{error}");
    assert_eq!(route(&world), Route::all_on(&"1".parse().unwrap()));
    assert_eq!(shift(&world).await.unwrap().next, "Judge");
    assert_eq!(route(&world), split(10));
}

#[tokio::test]
async fn an_alias_that_is_not_as_it_was_set_is_not_called_shifted() {
    let world = World::amid(&release().shifting(0).build());
    let mut paused = Paused::new(&world.calls, shift(&world)).before("shift");
    assert!(paused.step().is_none(), "the shift happened, the alias was not read back");
    world.lambda.move_alias(target().build().service.lambda.as_ref().unwrap(), &split(37));
    let error = paused.finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        "alias live was read back as version 1 with 37% on version 2 instead of version 1 with \
         10% on version 2"
    );
    assert_eq!(world.release(&"news-1".parse().unwrap()).phase.name(), "Shifting");
    assert_eq!(world.calls.count("commit"), 0);
}

#[tokio::test]
async fn a_release_that_lacks_its_canary_is_an_error_and_moves_nothing() {
    let world = World::amid(&release().shifting(0).build());
    world.store.change(|items| items.releases.values_mut().for_each(|r| r.canary = None));
    let error = shift(&world).await.unwrap_err();
    assert_eq!(error.to_string(), "release news-1 has no canary in phase Shifting");
    assert_eq!(writes(&world), 0);
}

#[tokio::test]
async fn a_release_that_no_one_knows_is_an_error() {
    let error = shift(&World::usual()).await.unwrap_err();
    assert_eq!(error.to_string(), "release news-1 does not exist");
}
