//! Two public samples of AWS that shift traffic: aws-lambda-deploy and sample-citadel.

use perch_app::announce::Answer;
use perch_app::on_alarm;
use perch_app::order;
use perch_app::ports::Route;
use perch_core::judge::Arm;
use perch_core::phase::Phase;
use perch_core::span::Span;
use perch_testkit::{failing, healthy, silent, target};

use crate::scene::Scene;

#[tokio::test]
async fn aws_lambda_deploy_no_data_is_not_healthy() {
    for (percent, most) in [(10, "1+2@10"), (50, "1+2@50")] {
        let mut scene = Scene::of(target().deadline(3600));
        scene.push('b').await;
        scene.until_at('b', percent).await;
        scene.answers('b', silent());
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'), "{percent}");
        let routes = scene.routes();
        assert_eq!(routes[routes.len() - 2], most, "{routes:?}");
    }
}

#[tokio::test]
async fn aws_lambda_deploy_every_minute_of_a_bake_is_looked_at() {
    let mut slow_looks = target().steps(&[(10, 1200)]).build();
    slow_looks.judge.interval = Span::minutes(5);
    let mut scene = Scene::with(slow_looks);
    scene.push('b').await;
    scene.until_at('b', 10).await;
    let Phase::Baking { since, .. } = scene.release_of('b').phase else { panic!("not baking") };
    scene.until('b', "Promoting").await;
    let windows = scene.world.metrics.asked();
    assert!(windows.len() >= 4, "{windows:?}");
    for window in &windows {
        let late = window.from.as_second() - since.as_second();
        assert!(late < 60, "from the start: {window:?}");
    }
    let unseen = scene.machines.now().as_second() - windows.last().unwrap().to.as_second();
    assert!(unseen < 120, "to the newest settled minute, {unseen} seconds ago");
}

#[tokio::test]
async fn aws_lambda_deploy_an_error_is_weighed_against_the_requests() {
    let arm = |requests, errors| Arm { requests, errors, ..healthy() };
    for (arm, end) in [(arm(1000, 1), "Promoted"), (arm(1000, 11), "RolledBack")] {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.until_at('b', 10).await;
        scene.answers('b', arm);
        scene.rest().await;
        assert_eq!(scene.phase('b'), end, "{arm:?}");
    }
}

#[tokio::test]
async fn citadel_76_few_requests_neither_promote_nor_roll_back() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 10).await;
    scene.answers('b', Arm { requests: 3, errors: 1, ..healthy() });
    scene.run_for(1800).await;
    assert_eq!((scene.phase('b'), scene.routes().len()), ("Baking", 2));
    scene.answers('b', Arm { requests: 4, errors: 2, ..healthy() });
    scene.rest().await;
    assert_eq!(scene.phase('b'), "RolledBack", "two can't be made up for within 100 requests");
}

#[tokio::test]
async fn citadel_76_automation_never_goes_past_a_person() {
    // A newer push does not replace what a person holds.
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 10).await;
    let (store, now) = (&scene.world.store, scene.machines.now());
    order::hold(store, &scene.target.name, "kim", "looking", now).await.unwrap();
    assert!(matches!(scene.push('c').await, Answer::Waits { .. }));
    scene.run_for(1800).await;
    assert_eq!(scene.routes(), ["1", "1+2@10"]);

    // A guard and a bad reading do not take a person's way back.
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.rest().await;
    let back = scene.go_back_to("1").await.unwrap();
    scene.world.metrics.set_total(failing());
    let alarm = scene.goes_red();
    assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::NothingInFlight]);
    scene.rest().await;
    assert_eq!((scene.world.release(&back).phase, scene.serves()), (Phase::Promoted, 'a'));

    // A guard does not overwrite an alias that a person moved.
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.rest().await;
    scene.push('c').await;
    scene.until_at('c', 10).await;
    let chosen = Route::all_on(&"1".parse().unwrap());
    scene.world.lambda.move_alias(scene.lambda(), &chosen);
    let alarm = scene.goes_red();
    assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::LeftAlone]);
    scene.go_on().await;
    assert_eq!(scene.world.route(scene.lambda()), chosen);
}
