//! `backstay version`.

use crate::exit::Codes;
use crate::host::Host;
use crate::screen::Screen;
use serde_json::json;

pub(crate) fn run(host: &Host, screen: &Screen) -> Codes {
    let kinds: Vec<&str> = host.registry.kinds().map(|kind| kind.as_str()).collect();
    if screen.is_json {
        // The line that every JSON run begins with, and what this build can reach.
        let version = env!("CARGO_PKG_VERSION");
        let fields = json!({ "backstay": version, "providers": kinds });
        screen.json("info", "version", &format!("Backstay {version}"), fields);
    } else {
        screen.out(&format!("Backstay {}\nproviders: {}\n", env!("CARGO_PKG_VERSION"), kinds.join(", ")));
    }
    Codes::none()
}
