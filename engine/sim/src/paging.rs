//! Page tokens: opaque to all but their listing.

use data_encoding::BASE64URL_NOPAD;

/// Where a listing goes on. It names the last item that was shown, so that what is added or deleted meanwhile neither
/// repeats nor hides another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The number of the page, from 1.
    pub(crate) number: usize,
    /// The last id of the page before.
    pub(crate) after: Option<String>,
}

impl Cursor {
    /// Reads a token of this listing; `None` if it is not one.
    pub(crate) fn read(listing: &str, token: Option<&str>) -> Option<Self> {
        let Some(token) = token else {
            return Some(Self { number: 1, after: None });
        };
        let text = String::from_utf8(BASE64URL_NOPAD.decode(token.as_bytes()).ok()?).ok()?;
        let (number, after) = text.strip_prefix(listing)?.strip_prefix(' ')?.split_once(' ')?;
        Some(Self { number: number.parse().ok().filter(|number| *number > 1)?, after: Some(after.to_owned()) })
    }

    /// The token of the page that follows this one's last item.
    pub(crate) fn next(&self, listing: &str, last: &str) -> String {
        BASE64URL_NOPAD.encode(format!("{listing} {} {last}", self.number + 1).as_bytes())
    }
}
