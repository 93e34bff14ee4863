//! The kinds of mistake: each has a stable code, and a page that `backstay explain CODE` shows.
//!
//! The pages lie in `explanations/`, one a code. A test runs their examples: what is called wrong gives that code, and what is
//! called right gives none.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Declares the codes with what each means in one line, and takes in their pages.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal),+ $(,)?) => {
        /// What kind of mistake a diagnostic is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $name,)+
        }

        impl Code {
            /// Every code, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as it is written.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// What it means, in one line.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),+ }
            }

            /// Its page: Markdown, with an example that is wrong, one that is right, and why the rule exists.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("explanations/", $code, ".md"))),+ }
            }
        }
    };
}

codes! {
    /// A policy copies to the site where one of its clusters lives.
    CopiesHome = "copies-home",
    /// A machine or a disk is claimed twice.
    DuplicateId = "duplicate-id",
    /// A key occurs twice in one mapping.
    DuplicateKey = "duplicate-key",
    /// Two things of one kind have one name.
    DuplicateName = "duplicate-name",
    /// Two clusters have one uid.
    DuplicateUid = "duplicate-uid",
    /// A key has no value, or a list no items.
    Empty = "empty",
    /// A file is not UTF-8 text.
    Encoding = "encoding",
    /// A policy asks for what a site cannot do.
    Incapable = "incapable",
    /// A retention keeps no point at all.
    KeepsNothing = "keeps-nothing",
    /// Something is left out because of an error elsewhere.
    LeftOut = "left-out",
    /// A lock lasts longer than the retention that it protects.
    LockTooLong = "lock-too-long",
    /// A merge conflict of git is left in a file.
    MergeConflict = "merge-conflict",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// No document declares the fleet.
    NoFleet = "no-fleet",
    /// A cluster has no node that runs PostgreSQL.
    NoPostgres = "no-postgres",
    /// A simulated site names a world that is not there.
    NoWorld = "no-world",
    /// A document is not a mapping.
    NotADocument = "not-a-document",
    /// A later version will honour this.
    NotYet = "not-yet",
    /// A number or a length of time is too small or too large.
    OutOfBounds = "out-of-bounds",
    /// Two sets declare the same clusters.
    SetsOverlap = "sets-overlap",
    /// A promise that the schedule cannot keep.
    SlaTooShort = "sla-too-short",
    /// A file is not YAML or JSON.
    Syntax = "syntax",
    /// A tab indents a line of YAML.
    Tab = "tab",
    /// Values are nested too deeply.
    TooDeep = "too-deep",
    /// A file is too large, or its aliases stand for too much.
    TooLarge = "too-large",
    /// A file has more problems than are shown.
    TooMany = "too-many",
    /// Keys that exclude each other stand together.
    TooManyKeys = "too-many-keys",
    /// A key that nothing knows.
    UnknownKey = "unknown-key",
    /// A kind of document that does not exist.
    UnknownKind = "unknown-kind",
    /// A name that nothing declares.
    UnknownName = "unknown-name",
    /// A time zone that does not exist.
    UnknownTimeZone = "unknown-time-zone",
    /// A file, or a directory, cannot be read.
    Unreadable = "unreadable",
    /// A cron expression that cannot be read, or never fires.
    WrongCron = "wrong-cron",
    /// A text that does not have the form it needs.
    WrongForm = "wrong-form",
    /// A text that cannot be a key.
    WrongKey = "wrong-key",
    /// A number where a text is needed, or another kind of value.
    WrongType = "wrong-type",
    /// A value that cannot stand there.
    WrongValue = "wrong-value",
}

impl Code {
    /// The code that is written so.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text))
    }

    /// The code that was probably meant.
    #[must_use]
    pub fn nearest(text: &str) -> Option<Self> {
        crate::document::nearest(text, Self::ALL.iter().map(|code| code.as_str())).and_then(Self::find)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_found_by_their_text() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        assert!(Code::ALL.iter().all(|code| Code::find(code.as_str()) == Some(*code)));
        assert_eq!(Code::nearest("duplicate-udi"), Some(Code::DuplicateUid));
        assert_eq!(Code::nearest("E0308"), None);
    }
}
