//! Notifications on the installation's topic.

use perch_app::ports::{Message, PortError, PublishMessage};
use perch_aws::topic::Topic;
use serde_json::json;

use crate::support::{Answer, aws};

const ARN: &str = "arn:aws:sns:eu-west-1:123456789012:perch-releases";

fn message() -> Message {
    Message {
        subject: "news: news:v2 promoted".into(),
        text: "news: news:v2 promoted\nThe watch ended & all is well.".into(),
        attributes: vec![("target", "news".into()), ("severity", "info".into())],
    }
}

#[tokio::test]
async fn a_message_carries_attributes_for_filters() {
    let answer = Answer::xml(
        "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>",
    );
    let (sdk, sent) = aws([answer]);
    Topic::new(&sdk, ARN.into()).publish(&message()).await.unwrap();
    let expected = json!({
        "TopicArn": ARN,
        "Subject": "news: news:v2 promoted",
        "Message": "news: news:v2 promoted\nThe watch ended & all is well.",
        "MessageAttributes.entry.1.Name": "target",
        "MessageAttributes.entry.1.Value.DataType": "String",
        "MessageAttributes.entry.1.Value.StringValue": "news",
        "MessageAttributes.entry.2.Name": "severity",
        "MessageAttributes.entry.2.Value.DataType": "String",
        "MessageAttributes.entry.2.Value.StringValue": "info",
    });
    let (operation, mut body) = sent.only();
    assert_eq!(operation, "Publish");
    // The attributes are a map: their order in the request is not given.
    if body["MessageAttributes.entry.1.Name"] == "severity" {
        for part in ["Name", "Value.DataType", "Value.StringValue"] {
            let [first, second] =
                [1, 2].map(|place| format!("MessageAttributes.entry.{place}.{part}"));
            let taken = body[&first].take();
            body[&first] = body[&second].take();
            body[&second] = taken;
        }
    }
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_topic_that_may_not_be_written_is_denied() {
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
                <Message>no</Message></Error></ErrorResponse>";
    let (sdk, _) = aws([Answer::xml(body).with_status(403)]);
    let error = Topic::new(&sdk, ARN.into()).publish(&message()).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}
