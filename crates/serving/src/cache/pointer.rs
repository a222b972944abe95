//! The pointer: one key whose value is the generation that callers read.

use perch_app::ports::{PortError, Switched};

use super::connection::Connection;

/// Sets the key if it has the expected value, or has none where none was expected. It names one key,
/// so that a cluster runs it where the key is.
const COMPARE_AND_SET: &str = "\
local found = redis.call('GET', KEYS[1])
if found == ARGV[1] then return 1 end
local expected = #ARGV == 2 and ARGV[2] or false
if found ~= expected then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1";

impl Connection {
    /// The pointer's value.
    pub(super) async fn generation(&mut self, pointer: &str) -> Result<Option<String>, PortError> {
        self.ask(redis::cmd("GET").arg(pointer)).await
    }

    /// Moves the pointer from one generation to the next, and looks at it afterwards.
    pub(super) async fn switch(
        &mut self,
        pointer: &str,
        from: Option<&str>,
        to: &str,
    ) -> Result<Switched, PortError> {
        let mut script = redis::cmd("EVAL");
        script.arg(COMPARE_AND_SET).arg(1).arg(pointer).arg(to);
        if let Some(from) = from {
            script.arg(from);
        }
        let () = self.ask(&script).await?;
        let found = self.generation(pointer).await?;
        if found.as_deref() == Some(to) {
            Ok(Switched::Done)
        } else {
            Ok(Switched::Other { found })
        }
    }
}
