//! Stops, and the notices of what happens outside of releases.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use perch_app::ports::{ListNotices, PortError, StopLine};
use perch_core::journal::Notice;
use perch_core::names::TargetName;
use perch_core::stop::Stop;

use super::item::{Change, read_items, write_value};
use super::transaction::{built, refusal, transaction_error, updating};
use super::{Range, Table, keys};

impl StopLine for Table {
    async fn stop(
        &self,
        target: Option<&TargetName>,
        stop: &Stop,
        notice: &Notice,
    ) -> Result<(), PortError> {
        let first = match target {
            None => self.add(&keys::stop_of_all(), stop)?,
            Some(target) => {
                let key = keys::head(target);
                let change = Change::default().set("stopped", write_value(&key, stop)?);
                let update = self.update(&key, change.on_head_of(target));
                updating(update.condition_expression("attribute_not_exists(stopped)"))?
            }
        };
        // Where it is refused, a stop stands already.
        self.with_notice(first, notice).await.map(|_| ())
    }

    async fn resume(
        &self,
        target: Option<&TargetName>,
        notice: &Notice,
    ) -> Result<bool, PortError> {
        let first = match target {
            None => {
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(keys::stop_of_all().item()))
                    .condition_expression("attribute_exists(pk)");
                TransactWriteItem::builder().delete(built(delete.build())?).build()
            }
            Some(target) => {
                let update = self.update(&keys::head(target), Change::default().remove("stopped"));
                updating(update.condition_expression("attribute_exists(stopped)"))?
            }
        };
        self.with_notice(first, notice).await
    }

    async fn stop_of_all(&self) -> Result<Option<Stop>, PortError> {
        self.get(&keys::stop_of_all()).await
    }
}

impl ListNotices for Table {
    async fn notices(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> Result<Vec<Notice>, PortError> {
        read_items(self.query(&keys::notices(target), Range::newest(keys::NOTICE, limit)).await?)
    }
}

impl Table {
    /// Writes `first` and the notice of it, or nothing where the condition of `first` does not hold.
    pub(super) async fn with_notice(
        &self,
        first: TransactWriteItem,
        notice: &Notice,
    ) -> Result<bool, PortError> {
        let key = keys::notice(notice.target.as_ref(), notice.at, &notice.id);
        match self.transact(vec![first, self.replace(&key, notice)?]).await {
            Ok(()) => Ok(true),
            Err(error) if refusal(&error).is_some() => Ok(false),
            Err(error) => Err(transaction_error(&key.to_string(), error)),
        }
    }
}
