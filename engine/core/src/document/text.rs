//! Texts of documents that have a form: checked by the schemas, given a meaning by resolution.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Declares one kind of text. The title completes "… is not a …"; the description tells how to write one.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $title:literal, $description:literal, $pattern:literal, [$($example:literal),+]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "title": $title,
                    "description": $description,
                    "pattern": $pattern,
                    "examples": [$($example),+],
                })
            }
        }
    };
}

text!(
    /// A length of time: [`crate::time::Duration`].
    Length, "length of time", "a whole number and a unit: 45s, 90m, 8h, 14d or 2w", "^[0-9]+(s|m|h|d|w)$", ["8h", "14d"]
);
text!(
    /// How far a clock is off.
    Skew, "time that a clock is off",
    "a whole number and a unit, with `-` where the clock is behind: 10m, -90s", "^-?[0-9]+(s|m|h)$", ["10m", "-90s"]
);
text!(
    /// A name that people choose.
    Name, "name",
    "lowercase letters, digits, `-`, `_` and `.`, at most 63, starting and ending with a letter or digit",
    "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$", ["orders-db"]
);
text!(
    /// A cluster's identity.
    Uid, "cluster uid",
    "lowercase letters, digits, `-` and `_`, at most 63: the cluster's identity, which survives renames and moves",
    "^[a-z0-9_-]{1,63}$", ["0d9f6a52-2c1e-4d1b-9a57-0c6a4b0e1f01"]
);
text!(
    /// An id that a cloud or a host gave.
    Id, "id", "letters, digits and `- _ . : / + = @`, at most 512, as the provider shows it",
    "^[A-Za-z0-9_.:/+=@-]{1,512}$", ["i-0a1b2c3d4e5f60718"]
);
text!(
    /// An account, subscription or project at a provider.
    Account, "account", "the account, subscription or project as the provider shows it; a number needs quotes",
    "^[A-Za-z0-9_.:/+=@-]{1,512}$", ["111122223333"]
);
text!(
    /// A path of a file or directory.
    FilePath, "path", "a path without control characters", "^[^\\u0000-\\u001f\\u007f]{1,1024}$", [".backstay/seal.key"]
);
text!(
    /// An instant.
    Instant, "instant", "an instant in RFC 3339, with its offset: 2026-11-23T08:00:00Z",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    ["2026-11-23T08:00:00Z"]
);
text!(
    /// A cron expression: [`crate::schedule::Cron`].
    CronText, "cron expression", "five fields: minute, hour, day of the month, month, day of the week: 0 */8 * * *",
    "^[^\\u0000-\\u001f]{1,400}$", ["0 2 * * *", "30 */8 * * 1-5"]
);
text!(
    /// A time zone of the IANA database.
    ZoneName, "time zone", "a name of the IANA time zone database: Europe/Berlin, America/New_York, UTC",
    "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$", ["Europe/Berlin", "UTC"]
);
text!(
    /// A share in percent.
    Percent, "percentage", "a share in percent: 2%, 0.5%", "^(100|[0-9]{1,2}(\\.[0-9]{1,6})?)%$", ["2%", "0.5%"]
);
text!(
    /// An HTTP address.
    HttpUrl, "HTTP address", "an http or https address, without a user or password in it",
    "^https?://[^\\s@]{1,1024}$", ["https://10.0.1.4:7432"]
);
text!(
    /// Where the state store is.
    StateLocation, "state location", "file://DIRECTORY, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX; gs:// and oss:// with a later version",
    "^(file|s3|gs|az|oss)://[^\\u0000-\\u001f]{1,1024}$", ["file://./.backstay"]
);
text!(
    /// Where an archive is.
    ArchiveLocation, "archive location", "s3://, gs://, az://, oss:// or file://, a bucket and a prefix",
    "^(s3|gs|az|oss|file)://[^\\u0000-\\u001f]{1,1024}$", ["s3://wal-eu10/prefix"]
);
text!(
    /// A public key to encrypt for.
    Recipient, "recipient", "a public age key; never the secret one", "^age1[a-z0-9]{1,4000}$",
    ["age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"]
);
text!(
    /// A label's key.
    LabelKey, "label key", "letters, digits, `-`, `_`, `.` and `/`, at most 63, starting and ending with a letter or digit",
    "^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$", ["landscape"]
);
text!(
    /// A label's value.
    LabelValue, "label value", "letters, digits, `-`, `_`, `.`, `/`, `:`, `+` and `@`, at most 63",
    "^[A-Za-z0-9._/:+@-]{0,63}$", ["eu10"]
);
text!(
    /// A log sequence number.
    LsnText, "log sequence number", "two hexadecimal numbers as PostgreSQL prints them: 16/B374D848",
    "^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$", ["16/B374D848"]
);
text!(
    /// PostgreSQL's system identifier.
    SystemText, "system identifier", "a decimal number of up to 20 digits, as `pg_controldata` prints it, in quotes",
    "^[0-9]{1,20}$", ["7301234567890123456"]
);
text!(
    /// A date or an instant at which something ends.
    End, "date", "a date, which counts to its end in UTC, or an instant in RFC 3339: 2026-12-31",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$",
    ["2026-12-31"]
);
text!(
    /// A text in which `*` stands for anything: [`crate::drift::Pattern`].
    Glob, "pattern", "letters, digits and `- _ . : / + = @`, and `*` for anything: orders-*",
    "^[A-Za-z0-9_.:/+=@* -]{1,512}$", ["orders-*"]
);
text!(
    /// Words for people, on one line.
    Words, "text", "at most 400 characters on one line, and not only spaces",
    "^[^\\u0000-\\u001f\\u007f]{0,200}[^\\u0000-\\u0020\\u007f][^\\u0000-\\u001f\\u007f]{0,199}$",
    ["INC-1234: stays until the move is done"]
);
