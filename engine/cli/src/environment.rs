//! What environment variables say: arguments that come before those of the command line, and who is watching.

use clap::{Command, CommandFactory};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Words for every command.
const FOR_ALL: &str = "BACKSTAY_CLI_ARGS";

/// Whether a variable is set to something that does not say no.
pub(crate) fn is_set(environment: &BTreeMap<String, String>, name: &str) -> bool {
    environment.get(name).is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Puts the words of `BACKSTAY_CLI_ARGS` and `BACKSTAY_CLI_ARGS_plan` (for nested commands `BACKSTAY_CLI_ARGS_state_show`)
/// behind the command, before its own arguments: what is given on the command line comes last, and wins.
pub(crate) fn with_arguments<A: CommandFactory>(
    given: impl IntoIterator<Item = OsString>,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<OsString>, String> {
    let mut given: Vec<OsString> = given.into_iter().collect();
    let Some((place, command)) = command_in(&given, &A::command()) else { return Ok(given) };
    let mut words = Vec::new();
    for name in [FOR_ALL.to_owned(), format!("{FOR_ALL}_{command}")] {
        if let Some(text) = environment.get(&name) {
            let Some(split) = shlex::split(text) else {
                return Err(format!("{name} is `{text}`: a quotation mark is not closed"));
            };
            words.extend(split.into_iter().map(OsString::from));
        }
    }
    given.splice(place..place, words);
    Ok(given)
}

/// Where the arguments of the command begin, and its name: `plan`, `state_show`.
fn command_in(given: &[OsString], root: &Command) -> Option<(usize, String)> {
    let mut command = root;
    let mut names: Vec<&str> = Vec::new();
    let mut place = 1;
    while let Some(word) = given.get(place).and_then(|word| word.to_str()) {
        place += 1;
        if word == "--" {
            break;
        }
        if word.starts_with('-') {
            place += usize::from(takes_next(word, root));
            continue;
        }
        let Some(found) = command.find_subcommand(word) else { break };
        names.push(found.get_name());
        if !found.has_subcommands() {
            return Some((place, names.join("_")));
        }
        command = found;
    }
    None
}

/// Whether an option has its value in the next word: `-chdir DIR`.
fn takes_next(word: &str, root: &Command) -> bool {
    let name = word.trim_start_matches('-');
    let is_it = |argument: &&clap::Arg| argument.get_long() == Some(name);
    root.get_arguments()
        .find(is_it)
        .is_some_and(|argument| argument.get_action().takes_values() && !argument.is_require_equals_set())
}

#[cfg(test)]
mod tests {
    use super::with_arguments;
    use crate::args::Arguments;
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    fn told(given: &str, environment: &[(&str, &str)]) -> String {
        let environment: BTreeMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let given = given.split(' ').map(OsString::from);
        match with_arguments::<Arguments>(given, &environment) {
            Ok(words) => words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join("|"),
            Err(error) => error,
        }
    }

    #[test]
    fn words_of_the_environment_stand_behind_the_command_and_before_its_own_arguments() {
        let all = ("BACKSTAY_CLI_ARGS", "-no-color");
        let plan = ("BACKSTAY_CLI_ARGS_plan", "-cluster='a b' -full");
        let show = ("BACKSTAY_CLI_ARGS_state_show", "-log=info");
        for (given, expected) in [
            ("backstay plan -out=x", "backstay|plan|-no-color|-cluster=a b|-full|-out=x"),
            ("backstay -chdir plan plan", "backstay|-chdir|plan|plan|-no-color|-cluster=a b|-full"),
            ("backstay --chdir=plan apply f", "backstay|--chdir=plan|apply|-no-color|f"),
            ("backstay -json state -log=warn show r", "backstay|-json|state|-log=warn|show|-no-color|-log=info|r"),
            ("backstay state", "backstay|state"),
            ("backstay --help", "backstay|--help"),
            ("backstay plna", "backstay|plna"),
            ("backstay -input plan", "backstay|-input|plan|-no-color|-cluster=a b|-full"),
        ] {
            assert_eq!(told(given, &[all, plan, show]), expected, "{given}");
        }
    }

    #[test]
    fn an_open_quotation_mark_is_an_error_that_names_the_variable() {
        let said = told("backstay plan", &[("BACKSTAY_CLI_ARGS_plan", "-out='x")]);
        assert_eq!(said, "BACKSTAY_CLI_ARGS_plan is `-out='x`: a quotation mark is not closed");
    }
}
