# Completion of glance-profile for fish. The program answers (glance-profile
# completion fish prints this file); nothing of the line is ever evaluated.
function __glance_profile_answers
    set -g __glance_profile_found
    set -l before (commandline -cp | string collect)
    set -l rest (string sub -s (math 1 + (string length -- "$before")) -- (commandline -p | string collect))
    # Through a pipe: in an argument list others could read a password.
    set -l answer (printf '%s\0' "$before" "$rest" | command glance-profile __complete fish 2>/dev/null)
    # Without -f, below, fish names files by itself.
    contains -- "$answer[1]" files dirs; and return 1
    set -g __glance_profile_found $answer[2..]
    return 0
end
complete -c glance-profile -e
complete -c glance-profile -n __glance_profile_answers -f -k -a '$__glance_profile_found'
