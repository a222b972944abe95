//! What users of ECS deployments and `SageMaker` endpoints met, played on a Lambda alias.

use perch_app::on_alarm;
use perch_app::ports::Route;
use perch_core::phase::{Phase, RollbackCause};
use perch_testkit::{failing, target};

use crate::scene::Scene;

#[tokio::test]
async fn copilot_4512_an_alarm_that_was_red_at_the_start_protects_again_once_it_was_ok() {
    for by_event in [false, true] {
        let mut scene = Scene::of(target().ignoring_alarms_at_start());
        scene.goes_red();
        scene.push('b').await;
        scene.until_at('b', 10).await;
        assert_eq!(scene.release_of('b').ignored_guards.len(), 1);
        scene.world.alarms.set("errors", false);
        scene.until_at('b', 50).await;
        assert_eq!(scene.release_of('b').ignored_guards, [], "seen OK");
        let alarm = scene.goes_red();
        if by_event {
            assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::RolledBack]);
        }
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'), "{by_event}");
    }
}

#[tokio::test]
async fn sagemaker_48997_a_rollback_is_never_told_as_success() {
    // Perch's own.
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until('b', "Watching").await;
    scene.answers('b', failing());
    scene.rest().await;
    let told = scene.subjects().await;
    assert!(told.iter().all(|subject| !subject.ends_with("promoted")), "{told:?}");
    assert_eq!(told.last().unwrap(), "news: news:vb (bbbbbbbbbbbb) rolled back");
    assert_eq!(scene.world.head(&scene.target.name).serving, None);

    // Somebody else's, without a word, while the release is watched.
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until('b', "Watching").await;
    scene.world.lambda.move_alias(scene.lambda(), &Route::all_on(&"1".parse().unwrap()));
    scene.go_on().await;
    assert_eq!(scene.release_of('b').phase, Phase::Superseded { by: None });
    let told = scene.subjects().await;
    assert!(told.iter().all(|subject| !subject.ends_with("promoted")), "{told:?}");
    assert_eq!(told.last().unwrap(), "news: someone else moved the alias");
    assert_eq!(scene.serves(), 'a');
}

#[tokio::test]
async fn sagemaker_without_alarms_the_judge_still_rolls_back() {
    for phase in ["Baking", "Watching"] {
        let mut scene = Scene::of(target().guarded_by(&[]));
        scene.push('b').await;
        scene.until('b', phase).await;
        scene.answers('b', failing());
        scene.rest().await;
        assert!(matches!(scene.cause('b'), RollbackCause::Judge { .. }), "{:?}", scene.cause('b'));
        assert_eq!(scene.serves(), 'a', "{phase}");
    }
}
