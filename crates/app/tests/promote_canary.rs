//! Moving the alias to the canary alone.

use perch_app::ports::{PortError, Route};
use perch_app::promote_canary;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_core::phase::Phase;
use perch_testkit::invariants::broken_always;
use perch_testkit::{Fault, Paused, World, at, release, target};

async fn promote(world: &World) -> Result<StepOutput, StepError> {
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    promote_canary::run(&world.store, &world.lambda, &input, at(300)).await
}

fn routes(world: &World) -> Vec<Route> {
    world.lambda.routes(target().build().service.lambda.as_ref().unwrap())
}

fn canary() -> Route {
    Route::all_on(&"2".parse().unwrap())
}

#[tokio::test]
async fn one_update_gives_the_canary_everything_and_it_is_read_back() {
    let world = World::amid(&release().promoting().build());
    let output = promote(&world).await.unwrap();
    assert_eq!((output.next.as_str(), output.wait_seconds), ("Judge", 60));
    assert_eq!(world.calls.log(), ["release", "alias", "standing", "shift", "alias", "commit"]);
    assert_eq!(routes(&world).last(), Some(&canary()));
    let release = world.release(&"news-1".parse().unwrap());
    assert_eq!(release.phase, Phase::Watching { since: at(300), until: at(900) });
    assert!(world.head(&release.target).exposed, "a guard still rolls back");
    assert_eq!(broken_always(&world), [""; 0]);
}

#[tokio::test]
async fn a_promotion_is_not_called_done_before_it_was_read_back() {
    let world = World::amid(&release().promoting().build());
    let mut paused = Paused::new(&world.calls, promote(&world)).before("shift");
    paused.step();
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &Route::all_on(&"1".parse().unwrap()));
    let error = paused.finish().unwrap_err();
    assert!(matches!(error, StepError::NotAsSet { .. }), "{error}");
    assert_eq!(world.release(&"news-1".parse().unwrap()).phase.name(), "Promoting");
}

#[tokio::test]
async fn a_promotion_whose_answer_was_lost_is_not_made_twice() {
    for lost in ["shift", "commit"] {
        let world = World::amid(&release().promoting().build());
        let before = routes(&world).len();
        world.calls.inject(Fault::of(lost).after());
        promote(&world).await.unwrap_err();
        for _ in 0..2 {
            assert_eq!(promote(&world).await.unwrap().next, "Judge", "{lost}");
        }
        assert_eq!(routes(&world).len(), before + 1, "{lost}");
        assert_eq!(broken_always(&world), [""; 0]);
    }
}

#[tokio::test]
async fn a_promotion_under_a_taken_fence_moves_nothing() {
    let world = World::amid(&release().promoting().build());
    let before = routes(&world);
    let paused = Paused::new(&world.calls, promote(&world)).before("standing");
    world.store.change(|items| items.heads.values_mut().for_each(|head| head.fence += 1));
    assert_eq!(paused.finish().unwrap().next, "End");
    assert_eq!(routes(&world), before);
}

#[tokio::test]
async fn a_promotion_of_an_alias_that_changed_is_a_conflict() {
    let world = World::amid(&release().promoting().build());
    let paused = Paused::new(&world.calls, promote(&world)).before("shift");
    let lambda = target().build().service.lambda.unwrap();
    let same = world.route(&lambda);
    world.lambda.move_alias(&lambda, &same);
    let error = paused.finish().unwrap_err();
    assert!(matches!(error, StepError::Port(PortError::Conflict { .. })), "{error}");
    assert_eq!(world.route(&lambda), same);
    promote(&world).await.unwrap();
    assert_eq!(world.route(&lambda), canary());
}

#[tokio::test]
async fn without_steps_a_prepared_canary_is_promoted_at_once() {
    let target = target().steps(&[]).build();
    let world = World::with(&target);
    world.place(&release().to(&target).promoting().build());
    promote(&world).await.unwrap();
    assert_eq!(routes(&world).last(), Some(&canary()));
}
