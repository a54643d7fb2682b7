# Completion of glance-profile for bash. The program answers (glance-profile
# completion bash prints this file); nothing of the line is ever evaluated.
_glance_profile() {
	local answer line files=none
	COMPREPLY=()
	# Through a pipe: in an argument list others could read a password.
	answer=$(printf '%s\0' "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" |
		command glance-profile __complete bash 2>/dev/null) || return 0
	while IFS= read -r line; do
		case $line in
		[+~]*) COMPREPLY+=("${line:1}") ;;
		*) files=$line ;;
		esac
	done <<<"$answer"
	# Older bash, such as that of macOS, has no compopt or not all of these; and
	# under set -e a failure would end the shell.
	if type compopt >/dev/null 2>&1; then
		compopt -o nosort 2>/dev/null || :
		case $files in
		files) compopt -o default || : ;;
		dirs) compopt -o dirnames || : ;;
		esac
		case ${answer##*$'\n'} in
		'~'*) [ ${#COMPREPLY[@]} -ne 1 ] || compopt -o nospace || : ;;
		esac
	fi
	return 0
}
complete -F _glance_profile glance-profile
