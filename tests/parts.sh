# shellcheck shell=bash
# Sourced by tests/run and .ci/run: runs the parts of a check, says how long each took, and remembers what failed.
# One part's failure does not hide the next one's.

parts=()
failed=()

# part NAME COMMAND...
part() {
    local name=$1 start=$SECONDS verdict=ok
    shift
    printf '\n=== %s\n' "$name"
    "$@" </dev/null || { verdict=FAILED; failed+=("$name"); }
    parts+=("$(printf '%6d s  %-6s  %s' $((SECONDS - start)) "$verdict" "$name")")
}

# Prints the table; ends with 1 if any part failed.
finish() {
    printf '\n=== times\n'
    ((${#parts[@]} == 0)) || printf '%s\n' "${parts[@]}"
    printf '%6d s  in all\n' "$SECONDS"
    if ((${#failed[@]} > 0)); then
        printf 'FAILED: %s\n' "${failed[@]}"
        exit 1
    fi
}
